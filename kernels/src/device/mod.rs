//! Where work runs: levels of the CPU, queues of work, CUDA devices, and buffers that know where they live.

mod buffer;
pub mod cuda;
mod queue;
pub mod simd;
#[cfg(test)]
mod tests;
pub mod threads;

pub(crate) use self::buffer::apart;
pub use self::buffer::{Buffer, BufferView, BufferViewMut, Element, Place};
pub use self::queue::{Device, Queue};
