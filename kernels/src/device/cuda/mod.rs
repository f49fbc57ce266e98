//! CUDA as it is found at run time: the driver is opened by name, so one binary serves machines with and without it.
//! With the feature `cuda-linked` the driver is linked instead, since cudarc knows only one way at a time.

mod context;
mod driver;
mod graph;
mod kernel;
mod memory;
mod mirror;
#[cfg(test)]
mod planted;
mod queue;
mod recording;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

pub use self::context::Context;
pub use self::graph::Graph;
pub(crate) use self::kernel::{Arg, Kernel, kernel};
pub(crate) use self::memory::{Memory, check_floats, check_half, check_queue};
pub use self::memory::{Slice, SliceMut};
pub use self::mirror::Mirror;
pub use self::queue::Queue;
use crate::error::{Error, Result};

/// A CUDA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Compute capability, as in 9.0.
    pub capability: (i32, i32),
    /// Bytes of its memory.
    pub memory: usize,
    /// Its multiprocessors.
    pub processors: usize,
    /// The most bytes of shared memory that a block may ask for.
    pub shared: usize,
}

static DISABLED: AtomicBool = AtomicBool::new(false);

/// Whether [`probe`] and [`Queue::new`] leave the driver alone and find no device.
pub fn disable(disabled: bool) {
    DISABLED.store(disabled, Ordering::Relaxed);
}

fn is_disabled() -> bool {
    DISABLED.load(Ordering::Relaxed)
}

/// All CUDA devices of this machine; none where there is no driver, or one without a device.
///
/// # Errors
/// When a driver is there and is too old, lacks what is needed, or refuses to start.
pub fn probe() -> Result<Vec<Device>> {
    if is_disabled() || !driver::is_there() {
        return Ok(Vec::new());
    }
    let count = driver::start()?;
    (0..count).map(driver::describe).collect()
}

/// Copies data to a device and back: the smallest proof that it works.
///
/// # Errors
/// When any step fails, or the data came back changed.
pub fn check(ordinal: usize) -> Result<()> {
    let queue = Queue::new(ordinal)?;
    let sent: Vec<u8> = (0..1000_u16).flat_map(u16::to_le_bytes).collect();
    let mut memory = Memory::new(&queue, sent.len())?;
    memory.write(0, &sent)?;
    let mut back = vec![0; sent.len()];
    memory.read(0, &mut back)?;
    if sent == back {
        return Ok(());
    }
    Err(Error::Cuda(format!("device {ordinal}: expected the data that was sent, found other data")))
}
