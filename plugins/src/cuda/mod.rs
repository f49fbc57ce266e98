//! Frames in CUDA memory, and frames that are worked on with CUDA: what the elements share.
//!
//! GStreamer's `libgstcuda` is opened by name when there is something to do with it (`library`), as the driver is by the
//! core: the plugin loads and works where neither is. `sharing` hands contexts to and takes them from the elements of a
//! pipeline, `memory` describes frames to the core, `seat` decides where a frame is worked on, and `brush` draws.

mod brush;
mod device;
mod library;
mod memory;
mod seat;
mod sharing;

pub(crate) use self::brush::Brush;
pub use self::device::Device;
pub(crate) use self::seat::{Seat, Where, name};
pub(crate) use self::sharing::Sharing;
