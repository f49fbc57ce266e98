//! Work that is recorded once and launched as a whole, which takes the host as long as a launch or two.

use std::fmt;

use cudarc::driver::{result, sys};

use super::Queue;
use super::driver::failed;
use super::recording::Recording;
use crate::error::{Error, Result};

/// Recorded work of a queue.
pub struct Graph {
    queue: Queue,
    handle: sys::CUgraphExec,
    /// The memory of the queue as it was then.
    memory: u64,
}

#[expect(unsafe_code, reason = "handles of the driver may be used by every thread")]
// SAFETY: graphs are bound to a context, not to a thread, and one thread at a time has this (CUDA C++ Programming Guide).
unsafe impl Send for Graph {}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Graph").field(&self.queue).finish()
    }
}

/// A stream that records.
struct Stream(sys::CUstream);

impl Drop for Stream {
    #[expect(unsafe_code, reason = "the stream is given back")]
    fn drop(&mut self) {
        // A driver that fails here has nothing left to give back.
        // SAFETY: nobody else has the stream.
        let _ = unsafe { result::stream::destroy(self.0) };
    }
}

/// What a stream has recorded, before it can be launched.
struct Recorded(sys::CUgraph);

impl Drop for Recorded {
    #[expect(unsafe_code, reason = "the graph is given back")]
    fn drop(&mut self) {
        if !self.0.is_null() {
            // As above.
            // SAFETY: nobody else has the graph.
            let _ = unsafe { result::graph::destroy(self.0) };
        }
    }
}

impl Graph {
    /// Records what `work` launches on the queue, of which nothing runs. All kernels have been used before, and all memory was
    /// taken: `work` has run.
    ///
    /// # Errors
    /// Those of `work`, or when it waits, copies to or from memory of the host that is not a [`super::Mirror`], or takes
    /// memory, or the driver refuses.
    #[expect(unsafe_code, reason = "calls of the driver")]
    pub fn record<E: From<Error>>(
        queue: &Queue,
        work: impl FnOnce() -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let _at = queue.stream()?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(failed("cuStreamCreate"))
            .map(Stream)?;
        let memory = queue.memory_changes();
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is that of a moment ago.
        unsafe { result::stream::begin_capture(stream.0, mode) }.map_err(failed("cuStreamBeginCapture"))?;
        let recording = Recording::begin(queue.address(), stream.0);
        let worked = work();
        drop(recording);
        // SAFETY: the stream lives; it stops recording whatever happened to the work.
        let graph = unsafe { result::stream::end_capture(stream.0) }
            .map_err(failed("cuStreamEndCapture"))
            .map(Recorded);
        worked?;
        let graph = graph?;
        if graph.0.is_null() {
            return Err(Error::Cuda("expected recorded work, found none".to_owned()).into());
        }
        // SAFETY: the graph was recorded a moment ago; what is made of it does not need it afterwards.
        let handle = unsafe { result::graph::instantiate(graph.0, sys::CUgraphInstantiate_flags_enum(0)) }
            .map_err(failed("cuGraphInstantiate"))?;
        Ok(Self { queue: queue.clone(), handle, memory })
    }

    /// Whether all memory is where it was when the work was recorded. Memory that the queue took or freed since then may be
    /// that of the work.
    pub fn is_current(&self) -> bool {
        self.memory == self.queue.memory_changes()
    }

    /// Launches the work; it goes on by itself.
    ///
    /// # Errors
    /// When the work is not current, or the driver refuses.
    #[expect(unsafe_code, reason = "a graph is launched")]
    pub fn launch(&self) -> Result<()> {
        if !self.is_current() {
            return Err(Error::Cuda(
                "expected recorded work whose memory is where it was, found other".to_owned(),
            ));
        }
        let at = self.queue.stream()?;
        // SAFETY: kernels and arguments are those that `Queue::launch` has checked, and the memory that they name was neither
        // freed nor taken anew, see above.
        unsafe { result::graph::launch(self.handle, at.stream) }.map_err(failed("cuGraphLaunch"))
    }
}

impl Drop for Graph {
    #[expect(unsafe_code, reason = "the graph is given back")]
    fn drop(&mut self) {
        // Work that runs ends first; where that failed, the driver takes it back at the end of the process.
        if let (Ok(()), Ok(_at)) = (self.queue.wait(), self.queue.stream()) {
            // SAFETY: it was given by the driver and is given back once.
            let _ = unsafe { result::graph::exec_destroy(self.handle) };
        }
    }
}
