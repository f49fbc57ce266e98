//! Frames in CUDA memory as the core sees them: planes at addresses of the device, with the strides of the buffer's metadata.

use snarm_core::cuda::Queue;
use snarm_core::frame::{AnyFrame, DeviceFrame};

use super::library::Memory;
use crate::frame::{Failure, Layout, check, colorimetry, known, stride};

/// Maps a frame in CUDA memory for a queue of its context and hands it to `use_frame`. Nothing is copied.
pub(super) fn with_frame<R>(
    buffer: &gst::BufferRef,
    memory: &Memory<'_>,
    queue: &Queue,
    layout: &Layout,
    use_frame: impl FnOnce(AnyFrame<'_>) -> Result<R, snarm_core::Error>,
) -> Result<R, Failure> {
    check(buffer, &layout.info)?;
    let unreadable = |found: &str| Failure::Buffer(format!("expected CUDA memory to read, found {found}"));
    // Strides of such memory are those of the device, which caps do not know.
    let Some(meta) = buffer.meta::<gst_video::VideoMeta>() else {
        return Err(unreadable("it without a GstVideoMeta"));
    };
    let mapped = memory.map(queue).ok_or_else(|| unreadable("GStreamer to refuse it"))?;
    let format = known(meta.format())?;
    let mut planes = Vec::with_capacity(format.n_planes());
    for plane in 0..format.n_planes() {
        let data = mapped.rest(meta.offset()[plane]).ok_or_else(|| unreadable("a plane outside of it"))?;
        planes.push((data, stride(meta.stride()[plane])?));
    }
    let (width, height) = (meta.width() as usize, meta.height() as usize);
    let frame = DeviceFrame::new(format, width, height, &planes, colorimetry(&layout.info))
        .map_err(|error| Failure::Buffer(error.to_string()))?;
    Ok(use_frame((&frame.with_orientation(layout.orientation)).into())?)
}
