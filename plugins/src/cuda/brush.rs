//! Overlays on frames in CUDA memory: drawn where they are, and by the processor where a device cannot.

use snarm_core::Error;
use snarm_core::cuda::Queue;
use snarm_core::device::{Buffer, Place};
use snarm_core::frame::DeviceFrameMut;
use snarm_core::overlay::Overlay;

use super::library::{MappedMut, Memory};
use crate::frame::{self, Failure, check, colorimetry, known, stride};

/// What draws on the frames of an element.
#[derive(Default)]
pub(crate) struct Brush {
    /// The queue of the context of the last frame, and room for tiles there.
    there: Option<(Queue, Buffer<u8>)>,
    /// Whether a device failed; until the element stops frames are downloaded then.
    gave_up: bool,
}

impl Brush {
    /// Draws the tiles of `overlay` on the frame in `buffer`; `warn` hears once of a device that cannot.
    ///
    /// # Errors
    /// When the buffer cannot be drawn on, or the core refuses.
    pub(crate) fn draw(
        &mut self,
        overlay: &Overlay,
        buffer: &mut gst::BufferRef,
        info: &gst_video::VideoInfo,
        warn: impl FnOnce(&Error),
    ) -> Result<(), Failure> {
        if !self.gave_up {
            match self.draw_there(overlay, buffer, info) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Failure::Core(error)) => {
                    (self.gave_up, self.there) = (true, None);
                    warn(&error);
                }
                unreadable => return unreadable.map(drop),
            }
        }
        frame::with_frame_mut(buffer, info, |frame| Ok(overlay.blend(frame)?))
    }

    /// Draws on a frame in CUDA memory; whether it is in there.
    fn draw_there(
        &mut self,
        overlay: &Overlay,
        buffer: &mut gst::BufferRef,
        info: &gst_video::VideoInfo,
    ) -> Result<bool, Failure> {
        let Some(memory) = Memory::of(buffer)? else { return Ok(false) };
        let fits = self.there.as_ref().is_some_and(|(queue, _)| memory.is_of(queue.context()));
        if !fits {
            let queue = Queue::within(&memory.context()?).map_err(Error::from)?;
            let room = Buffer::new(&Place::Cuda(queue.clone()), 0).map_err(Error::from)?;
            self.there = Some((queue, room));
        }
        let Some((queue, room)) = &mut self.there else { return Ok(false) };
        check(buffer, info)?;
        let unreadable =
            |found: &str| Failure::Buffer(format!("expected CUDA memory to draw on, found {found}"));
        let mapped = MappedMut::new(buffer, queue)?.ok_or_else(|| unreadable("GStreamer to refuse it"))?;
        // Strides of such memory are those of the device, which caps do not know.
        let meta = mapped.meta().ok_or_else(|| unreadable("it without a GstVideoMeta"))?;
        let format = known(meta.format())?;
        let (width, height) = (meta.width() as usize, meta.height() as usize);
        let mut planes = Vec::with_capacity(format.n_planes());
        for plane in 0..format.n_planes() {
            let stride = stride(meta.stride()[plane])?;
            let Some((row, rows)) = format.plane_size(plane, width, height) else { continue };
            let bytes = stride * (rows - 1) + row;
            let data = mapped.part(meta.offset()[plane], bytes);
            planes.push((data.ok_or_else(|| unreadable("a plane outside of it"))?, stride));
        }
        let mut frame = DeviceFrameMut::new(format, width, height, planes, colorimetry(info))
            .map_err(|error| Failure::Buffer(error.to_string()))?;
        overlay.blend_there(&mut frame, room).map_err(Error::from)?;
        queue.wait().map_err(Error::from)?;
        Ok(true)
    }
}
