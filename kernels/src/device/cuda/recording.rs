//! Which stream a thread records on. A thread that records launches on a stream of its own, so what others launch in between
//! on the same queue is not recorded with it.

use std::cell::Cell;
use std::marker::PhantomData;

use cudarc::driver::sys;

thread_local! {
    static RECORDING: Cell<Option<(usize, sys::CUstream)>> = const { Cell::new(None) };
}

/// This thread records work of a queue while this lives.
pub(super) struct Recording {
    /// Streams are those of a thread.
    _here: PhantomData<*const ()>,
}

impl Recording {
    /// Records the work of the queue at that address on `stream`.
    pub(super) fn begin(queue: usize, stream: sys::CUstream) -> Self {
        RECORDING.set(Some((queue, stream)));
        Self { _here: PhantomData }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDING.set(None);
    }
}

/// The stream that this thread records the work of a queue on, where it does.
pub(super) fn stream_of(queue: usize) -> Option<sys::CUstream> {
    RECORDING.get().filter(|(of, _)| *of == queue).map(|(_, stream)| stream)
}
