//! Memory of a device.

use cudarc::driver::{result, sys};

use super::driver::failed;
use super::kernel::Arg;
use super::{Device, Queue};
use crate::error::{Error, Result};

/// Bytes of a device, which belong to one queue.
#[derive(Debug)]
pub(crate) struct Memory {
    queue: Queue,
    at: sys::CUdeviceptr,
    bytes: usize,
}

impl Memory {
    /// Takes bytes, at least one, whose values are not known.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub(crate) fn new(queue: &Queue, bytes: usize) -> Result<Self> {
        let bytes = bytes.max(1);
        queue.check_not_recorded("takes memory")?;
        let _at = queue.stream()?;
        // SAFETY: the call has no preconditions but a context, which `stream` makes current.
        let at = unsafe { result::malloc_sync(bytes) }.map_err(|error| {
            let Device { name, memory, .. } = queue.device();
            Error::Cuda(format!(
                "expected {bytes} bytes of {name}, which has {memory}: cuMemAlloc failed with {:?}",
                error.0
            ))
        })?;
        queue.change_memory();
        Ok(Self { queue: queue.clone(), at, bytes })
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes host bytes from `start` on. They are read before this returns.
    #[expect(unsafe_code, reason = "a copy by the driver")]
    pub(crate) fn write(&mut self, start: usize, from: &[u8]) -> Result<()> {
        check_range(start, from.len(), self.bytes)?;
        if from.is_empty() {
            return Ok(());
        }
        self.queue.check_not_recorded("copies from the host")?;
        let at = self.queue.stream()?;
        // SAFETY: the range lies in this memory, see above. Memory that is not pinned is staged before the call returns.
        unsafe { result::memcpy_htod_async(self.at + start as u64, from, at.stream) }
            .map_err(failed("cuMemcpyHtoDAsync"))
    }

    /// Reads bytes from `start` on, when all that was launched before has ended.
    #[expect(unsafe_code, reason = "a copy by the driver")]
    pub(crate) fn read(&self, start: usize, to: &mut [u8]) -> Result<()> {
        check_range(start, to.len(), self.bytes)?;
        if to.is_empty() {
            return Ok(());
        }
        self.queue.check_not_recorded("copies to the host")?;
        let at = self.queue.stream()?;
        // SAFETY: the range lies in this memory, see above, and `to` is borrowed until the copy has ended.
        unsafe { result::memcpy_dtoh_async(to, self.at + start as u64, at.stream) }
            .map_err(failed("cuMemcpyDtoHAsync"))?;
        self.queue.wait()
    }

    /// Copies bytes from the beginning of another memory of the same queue.
    #[expect(unsafe_code, reason = "a copy by the driver")]
    pub(crate) fn copy_from(&mut self, from: &Self, bytes: usize) -> Result<()> {
        check_range(0, bytes, self.bytes.min(from.bytes))?;
        if bytes == 0 {
            return Ok(());
        }
        let at = self.queue.stream()?;
        // SAFETY: the range lies in both memories, see above.
        unsafe { result::memcpy_dtod_async(self.at, from.at, bytes, at.stream) }
            .map_err(failed("cuMemcpyDtoDAsync"))
    }

    /// Sets all bytes to zero.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub(crate) fn clear(&mut self) -> Result<()> {
        let at = self.queue.stream()?;
        // SAFETY: the range is this memory.
        unsafe { result::memset_d8_async(self.at, 0, self.bytes, at.stream) }
            .map_err(failed("cuMemsetD8Async"))
    }
}

impl Drop for Memory {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        self.queue.change_memory();
        // Work that uses the memory ends first; where that failed, the driver takes it back at the end of the process.
        if let (Ok(()), Ok(_at)) = (self.queue.wait(), self.queue.stream()) {
            // SAFETY: it was given by the driver, is freed once, and nothing uses it, see above.
            let _ = unsafe { result::free_sync(self.at) };
        }
    }
}

fn check_range(start: usize, len: usize, bytes: usize) -> Result<()> {
    if start.checked_add(len).is_some_and(|end| end <= bytes) {
        return Ok(());
    }
    Err(Error::Cuda(format!("expected a part of {bytes} bytes, found {len} bytes from {start} on")))
}

/// Elements in the memory of a device.
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    queue: &'a Queue,
    at: u64,
    len: usize,
    half: bool,
}

/// Elements in the memory of a device that are written.
#[derive(Debug)]
pub struct SliceMut<'a>(Slice<'a>);

impl<'a> Slice<'a> {
    /// `len` elements at the beginning of a memory; floats that are kept as bf16 where `half`.
    pub(crate) fn new(memory: &'a Memory, len: usize, half: bool) -> Self {
        Self { queue: &memory.queue, at: memory.at, len, half }
    }

    /// `len` bytes in memory that others took.
    ///
    /// # Safety
    /// They lie at `at` in the memory of the queue's context, where nobody changes them before the queue has been waited for.
    #[expect(unsafe_code, reason = "an address that others give")]
    pub unsafe fn foreign(queue: &'a Queue, at: u64, len: usize) -> Self {
        Self { queue, at, len, half: false }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The queue whose work may use them.
    pub fn queue(&self) -> &'a Queue {
        self.queue
    }

    /// Whether they are floats that are kept as bf16.
    pub(crate) fn is_half(&self) -> bool {
        self.half
    }

    pub(crate) fn address(&self) -> u64 {
        self.at
    }

    pub(crate) fn arg(&self) -> Arg {
        Arg::Address(self.at)
    }

    /// Elements `start..start + len`, each of `bytes` where it is not halved.
    pub(crate) fn part(&self, start: usize, len: usize, bytes: usize) -> Option<Self> {
        let fits = start.checked_add(len).is_some_and(|end| end <= self.len);
        let bytes = if self.half { 2 } else { bytes };
        fits.then(|| Self { at: self.at + (start * bytes) as u64, len, ..*self })
    }
}

impl<'a> SliceMut<'a> {
    /// As [`Slice::new`].
    pub(crate) fn new(memory: &'a mut Memory, len: usize, half: bool) -> Self {
        Self(Slice::new(memory, len, half))
    }

    /// As [`Slice::foreign`], of bytes that are written.
    ///
    /// # Safety
    /// As there, and nobody reads them before the queue has been waited for.
    #[expect(unsafe_code, reason = "an address that others give")]
    pub unsafe fn foreign(queue: &'a Queue, at: u64, len: usize) -> Self {
        // SAFETY: the same is asked of the caller.
        Self(unsafe { Slice::foreign(queue, at, len) })
    }

    /// The same elements, for the rest of the time that they are borrowed for.
    pub(crate) fn into_slice(self) -> Slice<'a> {
        self.0
    }

    /// The same elements, to be read.
    pub fn as_slice(&self) -> &Slice<'a> {
        &self.0
    }

    /// The same elements for a shorter time.
    pub fn reborrow(&mut self) -> SliceMut<'_> {
        SliceMut(self.0)
    }

    pub(crate) fn part(self, start: usize, len: usize, bytes: usize) -> Option<Self> {
        self.0.part(start, len, bytes).map(SliceMut)
    }
}

impl<'a> std::ops::Deref for SliceMut<'a> {
    type Target = Slice<'a>;

    fn deref(&self) -> &Slice<'a> {
        &self.0
    }
}

/// Checks that operands are those of the queue of what is written, and floats of 32 bits.
pub(crate) fn check_floats(op: &'static str, y: &SliceMut<'_>, operands: &[&Slice<'_>]) -> Result<()> {
    check_queue(op, y, operands)?;
    if operands.iter().any(|operand| operand.half) {
        let (expected, found) = ("operands of 32 bits".to_owned(), "one that is kept as bf16".to_owned());
        return Err(Error::Shape { op, expected, found });
    }
    Ok(())
}

/// Checks that what a device multiplies is kept as it multiplies it; `what` names it.
pub(crate) fn check_half(op: &'static str, what: &str, x: &Slice<'_>) -> Result<()> {
    if x.half {
        return Ok(());
    }
    let (expected, found) = (format!("{what} kept as bf16 on a device"), "floats of 32 bits".to_owned());
    Err(Error::Shape { op, expected, found })
}

/// Checks that operands are those of the queue of what is written.
pub(crate) fn check_queue(op: &'static str, y: &SliceMut<'_>, operands: &[&Slice<'_>]) -> Result<()> {
    if operands.iter().all(|operand| operand.queue == y.queue()) {
        return Ok(());
    }
    Err(Error::Apart { op })
}
