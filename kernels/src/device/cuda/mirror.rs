//! Floats in memory of the host that a device copies to by itself.

use cudarc::driver::result;

use super::driver::failed;
use super::{Queue, Slice};
use crate::error::{Error, Result};

/// Floats of a device as they were copied to the host last.
#[derive(Debug)]
pub struct Mirror {
    queue: Queue,
    at: *mut f32,
    len: usize,
}

#[expect(unsafe_code, reason = "memory that the driver gave may be used by every thread")]
// SAFETY: the memory belongs to this alone, and is read only after the queue has been waited for.
unsafe impl Send for Mirror {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above; through a shared reference it is only read.
unsafe impl Sync for Mirror {}

impl Mirror {
    /// Room for `len` floats.
    ///
    /// # Errors
    /// When the driver refuses.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn new(queue: &Queue, len: usize) -> Result<Self> {
        queue.check_not_recorded("takes memory")?;
        let _at = queue.stream()?;
        let bytes = len.max(1) * size_of::<f32>();
        // SAFETY: the call has no preconditions but a context, which `stream` makes current; all bytes are set before any is read.
        let at = unsafe {
            let at = result::malloc_host(bytes, 0).map_err(failed("cuMemHostAlloc"))?.cast::<f32>();
            at.write_bytes(0, len.max(1));
            at
        };
        queue.change_memory();
        Ok(Self { queue: queue.clone(), at, len })
    }

    /// Number of floats.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies all of `from` to the floats from `start` on, when work before has ended.
    ///
    /// # Errors
    /// When there is no room for them, they are kept as bf16 or belong to another queue, or the copy fails.
    #[expect(unsafe_code, reason = "a copy by the driver")]
    pub fn copy(&mut self, start: usize, from: Slice<'_>) -> Result<()> {
        let fits = start.checked_add(from.len()).is_some_and(|end| end <= self.len);
        if !fits || from.is_half() || *from.queue() != self.queue {
            let expected = format!("{} floats of this queue", self.len.saturating_sub(start));
            return Err(Error::Shape { op: "mirror", expected, found: format!("{} others", from.len()) });
        }
        if from.is_empty() {
            return Ok(());
        }
        let at = self.queue.stream()?;
        // SAFETY: the range lies in this memory, see above, which lives as long as work of the queue may use it: dropping it
        // waits, and recorded work is not launched after that. Nobody reads it before the queue has been waited for.
        let copied = unsafe {
            let to = std::slice::from_raw_parts_mut(self.at.add(start), from.len());
            result::memcpy_dtoh_async(to, from.address(), at.stream)
        };
        copied.map_err(failed("cuMemcpyDtoHAsync"))
    }

    /// The floats from `start` on, after all work before.
    ///
    /// # Errors
    /// When there are fewer, or work before has failed.
    #[expect(unsafe_code, reason = "memory that the driver gave is read")]
    pub fn read(&self, start: usize, to: &mut [f32]) -> Result<()> {
        if start.checked_add(to.len()).is_none_or(|end| end > self.len) {
            let expected = format!("a part of {} floats", self.len);
            let found = format!("{} floats from {start} on", to.len());
            return Err(Error::Shape { op: "mirror", expected, found });
        }
        self.queue.wait()?;
        // SAFETY: the range lies in this memory, see above, all of which was set; no copy is on its way.
        to.copy_from_slice(unsafe { std::slice::from_raw_parts(self.at.add(start), to.len()) });
        Ok(())
    }
}

impl Drop for Mirror {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        self.queue.change_memory();
        // As memory of a device: work that uses it ends first.
        if let (Ok(()), Ok(_at)) = (self.queue.wait(), self.queue.stream()) {
            // SAFETY: it was given by the driver, is freed once, and nothing uses it, see above.
            let _ = unsafe { result::free_host(self.at.cast()) };
        }
    }
}
