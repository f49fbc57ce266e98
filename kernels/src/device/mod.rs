//! Where work runs: levels of the CPU, queues of work, and what is found of CUDA.

pub mod cuda;
mod queue;
pub mod simd;
pub mod threads;

pub use self::queue::{Device, Queue};
