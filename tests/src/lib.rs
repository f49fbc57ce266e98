//! What holds the rooms together: what several of the tests in `tests/` share.

pub mod checkpoint;
pub mod fake_cuda;
pub mod fuzzing;
pub mod signals;
pub mod skip;
pub mod stripes;
