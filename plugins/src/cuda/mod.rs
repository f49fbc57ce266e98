//! Frames in CUDA memory, and frames that are worked on with CUDA: what the elements share.
//!
//! GStreamer's `libgstcuda` is opened by name when there is something to do with it (`library`), as the driver is by the
//! core: the plugin loads and works where neither is. `sharing` hands contexts to and takes them from the elements of a
//! pipeline, `memory` describes frames to the core, and `seat` decides where a frame is worked on.

mod library;
mod memory;
mod seat;
mod sharing;

pub(crate) use self::seat::{Seat, Where, name};
pub(crate) use self::sharing::Sharing;
use crate::properties::choices;

/// Feature of caps whose frames are in CUDA memory.
pub(crate) const FEATURE: &str = "memory:CUDAMemory";

choices! {
    /// What frames are worked on with.
    Device, "GstSnarmDevice";
    #[default]
    Auto, "auto", "Auto: frames in CUDA memory on their GPU, where that can, and all others on the CPU";
    Cpu, "cpu", "Cpu: all frames on the CPU; those in CUDA memory are downloaded";
    Cuda, "cuda", "Cuda: all frames on a GPU; those in system memory are uploaded";
}
