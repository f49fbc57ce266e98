//! Training on candle. This folder holds what any network needs to be trained, and nothing of what a network is; SNARM's
//! decoder is trained by [`decoder`], those that reconstruct by [`reconstruction`], encoders by [`distill`].
//!
//! [`Variables`] move by [`AdamW`] at the rate of a [`Schedule`]; a [`Checkpoint`] holds all that the next step depends
//! on, so that a run that was killed goes on as if it had not been. For that no generator has a state either: every
//! random choice is made of the seed, the step and the sample it is for ([`random`]).

mod checkpoint;
pub mod decoder;
mod device;
pub mod distill;
mod files;
mod log;
pub mod ops;
mod optim;
mod progress;
pub mod random;
pub mod reconstruction;
mod schedule;
#[cfg(test)]
mod testing;
mod variables;

pub use self::checkpoint::{Checkpoint, Identity, digest};
pub use self::device::{Device, DeviceKind};
pub use self::files::Files;
pub use self::log::Log;
pub use self::optim::{AdamW, AdamWSettings};
pub use self::progress::{Meter, Progress};
pub use self::schedule::Schedule;
pub use self::variables::Variables;

#[cfg(test)]
mod tests;
