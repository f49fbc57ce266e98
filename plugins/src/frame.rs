//! GStreamer's frames as the core sees them: which formats are taken, and borrowed planes with their strides and
//! the meaning of their samples. Everything that all three elements share on their pads is here.

use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};
use snarm_core::frame::{
    ChromaSite, ColorMatrix, ColorRange, Colorimetry, Frame, FrameMut, Orientation, PixelFormat, Plane,
    PlaneMut,
};

/// Feature of caps whose frames are in the memory of CUDA.
const CUDA: &str = "memory:CUDAMemory";

/// Smallest width and height that is taken.
const MIN_SIDE: i32 = 16;

/// Height from which GStreamer takes frames without colour information for high definition.
const HD_HEIGHT: u32 = 577;

/// Every format of the core, in the memory of the system and in that of CUDA.
pub(crate) fn caps() -> gst::Caps {
    let formats = || {
        gst_video::VideoCapsBuilder::new()
            .format_list(PixelFormat::ALL.map(video_format))
            .width_range(MIN_SIDE..)
            .height_range(MIN_SIDE..)
    };
    let mut caps = formats().build();
    caps.merge(formats().features([CUDA]).build());
    caps
}

/// The same caps on a sink and a source pad: every format of the core.
pub(crate) fn pad_templates() -> Vec<gst::PadTemplate> {
    both_pads(&caps())
}

/// `caps` on a sink and a source pad.
pub(crate) fn both_pads(caps: &gst::Caps) -> Vec<gst::PadTemplate> {
    // A template is refused only for a bad name, and these two are good.
    [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
        .into_iter()
        .filter_map(|(name, direction)| {
            gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps).ok()
        })
        .collect()
}

/// Reads the frame layout from negotiated caps.
pub(crate) fn video_info(caps: &gst::Caps) -> Result<VideoInfo, gst::LoggableError> {
    VideoInfo::from_caps(caps)
        .map_err(|_| gst::loggable_error!(gst::CAT_RUST, "caps without a layout: {caps}"))
}

/// Answers an ALLOCATION query for an element that hands on the memory it gets: what downstream offers is offered
/// upstream, `GstVideoMeta` included, as strides that downstream cannot read must not be invited here. Cropping is
/// withdrawn, because the elements look at whole frames.
pub(crate) fn propose_allocation<T: BaseTransformImpl>(
    element: &T,
    query: &mut gst::query::Allocation,
) -> Result<(), gst::LoggableError> {
    // Without a decide query the base class asks the peer, also when the element is not passthrough.
    element.parent_propose_allocation(None, query)?;
    if let Some(index) = query.find_allocation_meta::<gst_video::VideoCropMeta>() {
        query.remove_nth_allocation_meta(index);
    }
    Ok(())
}

/// Gives controlled properties of `element` their values at the time of `buffer`.
pub(crate) fn sync_values(
    element: &(impl IsA<gst_base::BaseTransform> + IsA<gst::Object>),
    cat: &gst::DebugCategory,
    buffer: &gst::BufferRef,
) {
    let segment = element.segment();
    let Some(segment) = segment.downcast_ref::<gst::ClockTime>() else { return };
    let Some(stream_time) = segment.to_stream_time(buffer.pts()) else { return };
    if let Err(error) = element.sync_values(stream_time) {
        gst::warning!(cat, obj = element, "controlled properties keep their values: {error}");
    }
}

/// How the frames of a stream are stored.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) info: VideoInfo,
    pub(crate) orientation: Orientation,
}

/// Why nothing was done with a frame.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The buffer does not hold the frame that its caps promise; the next one may.
    Buffer(String),
    /// The core refuses the frame, and would refuse the next one.
    Core(snarm_core::Error),
}

impl From<snarm_core::Error> for Failure {
    fn from(error: snarm_core::Error) -> Self {
        Self::Core(error)
    }
}

/// Warns of a frame that cannot be read, or written to; `consequence` says what becomes of it.
pub(crate) fn warn_unreadable(element: &impl IsA<gst::Element>, reason: &str, consequence: &str) {
    gst::element_warning!(
        element,
        gst::StreamError::Format,
        ("a frame is broken: {reason}; {consequence}, and so do others like it until a whole one comes")
    );
}

/// Finds out whether a buffer holds a frame of these caps. GStreamer maps by what the metadata of a buffer say, whether
/// its memory is that large or not.
pub(crate) fn check(buffer: &gst::BufferRef, info: &VideoInfo) -> Result<(), Failure> {
    let Some(meta) = buffer.meta::<gst_video::VideoMeta>() else {
        let (needed, found) = (info.size(), buffer.size());
        if found < needed {
            let text =
                format!("expected {needed} bytes of {} {}x{}", info.format(), info.width(), info.height());
            return Err(Failure::Buffer(format!("{text}, found {found}")));
        }
        return Ok(());
    };
    let format = known(meta.format())?;
    let (width, height) = (meta.width() as usize, meta.height() as usize);
    if width == 0 || height == 0 || (meta.n_planes() as usize) < format.n_planes() {
        let text = format!("expected {} planes of a picture", format.n_planes());
        return Err(Failure::Buffer(format!("{text}, found {} of {width}x{height}", meta.n_planes())));
    }
    for plane in 0..format.n_planes() {
        let (offset, stride) = (meta.offset()[plane], stride(meta.stride()[plane])?);
        let Some((row, rows)) = format.plane_size(plane, width, height) else { continue };
        let needed = stride.checked_mul(rows - 1).and_then(|all| all.checked_add(row));
        let place = buffer.find_memory(offset..offset.saturating_add(1));
        let room = place.map(|(memories, skip)| buffer.peek_memory(memories.start).size() - skip);
        if needed.is_none_or(|needed| room.is_none_or(|room| room < needed)) || stride < row {
            return Err(Failure::Buffer(format!(
                "plane {plane}: expected {rows} rows of {row} bytes, {stride} bytes apart, found {} bytes",
                room.unwrap_or(0)
            )));
        }
    }
    Ok(())
}

/// Maps `buffer` for reading and hands its frame to `use_frame`.
pub(crate) fn with_frame<R>(
    buffer: &gst::BufferRef,
    layout: &Layout,
    use_frame: impl FnOnce(&Frame<'_>) -> Result<R, snarm_core::Error>,
) -> Result<R, Failure> {
    check(buffer, &layout.info)?;
    let mapped = VideoFrameRef::from_buffer_ref_readable(buffer, &layout.info)
        .map_err(|error| Failure::Buffer(format!("expected memory to read, found {error}")))?;
    let (format, strides) = strides(&mapped)?;
    let data = mapped.planes_data();
    let planes = [0, 1, 2].map(|i| Plane { data: data[i], stride: strides[i] });
    Frame::new(
        format,
        mapped.width() as usize,
        mapped.height() as usize,
        &planes[..format.n_planes()],
        colorimetry(mapped.info()),
    )
    .map_err(|error| Failure::Buffer(error.to_string()))
    .and_then(|frame| Ok(use_frame(&frame.with_orientation(layout.orientation))?))
}

/// Maps `buffer` for drawing and hands its frame to `draw`.
pub(crate) fn with_frame_mut(
    buffer: &mut gst::BufferRef,
    info: &VideoInfo,
    draw: impl FnOnce(&mut FrameMut<'_>) -> Result<(), snarm_core::Error>,
) -> Result<(), Failure> {
    check(buffer, info)?;
    let mut mapped = VideoFrameRef::from_buffer_ref_writable(buffer, info)
        .map_err(|error| Failure::Buffer(format!("expected memory to draw on, found {error}")))?;
    let (format, strides) = strides(&mapped)?;
    let (width, height) = (mapped.width() as usize, mapped.height() as usize);
    let colorimetry = colorimetry(mapped.info());
    let [first, second, third, _] = mapped.planes_data_mut();
    let first = PlaneMut { data: first, stride: strides[0] };
    let second = PlaneMut { data: second, stride: strides[1] };
    let third = PlaneMut { data: third, stride: strides[2] };
    match format.n_planes() {
        1 => FrameMut::new(format, width, height, [first], colorimetry),
        2 => FrameMut::new(format, width, height, [first, second], colorimetry),
        _ => FrameMut::new(format, width, height, [first, second, third], colorimetry),
    }
    .map_err(|error| Failure::Buffer(error.to_string()))
    .and_then(|mut frame| Ok(draw(&mut frame)?))
}

/// Format and strides of a mapped frame; strides that the format does not have are 0.
fn strides<T>(mapped: &VideoFrameRef<T>) -> Result<(PixelFormat, [usize; 3]), Failure>
where
    VideoFrameRef<T>: VideoFrameExt,
{
    let mut strides = [0; 3];
    for (place, &found) in strides.iter_mut().zip(mapped.plane_stride()) {
        *place = stride(found)?;
    }
    Ok((known(mapped.format())?, strides))
}

/// The core's name of the format of a buffer, which may be another than that of its caps.
pub(crate) fn known(format: VideoFormat) -> Result<PixelFormat, Failure> {
    pixel_format(format)
        .ok_or_else(|| Failure::Buffer(format!("expected a format of the caps, found {format}")))
}

/// Bytes from one row to the next.
pub(crate) fn stride(found: i32) -> Result<usize, Failure> {
    usize::try_from(found)
        .map_err(|_| Failure::Buffer(format!("expected rows from top to bottom, found a stride of {found}")))
}

/// How the samples of a frame become colours. What the caps leave open is filled as GStreamer's own converters do.
pub(crate) fn colorimetry(info: &VideoInfo) -> Colorimetry {
    let luma_chroma = info.is_yuv();
    let hd = info.height() >= HD_HEIGHT;
    let given = info.colorimetry();
    let matrix = match given.matrix() {
        VideoColorMatrix::Fcc => ColorMatrix::FCC,
        VideoColorMatrix::Bt709 => ColorMatrix::BT709,
        VideoColorMatrix::Bt601 => ColorMatrix::BT601,
        VideoColorMatrix::Smpte240m => ColorMatrix::SMPTE240M,
        VideoColorMatrix::Bt2020 => ColorMatrix::BT2020,
        _ if hd => ColorMatrix::BT709,
        _ => ColorMatrix::BT601,
    };
    let range = match given.range() {
        VideoColorRange::Range0_255 => ColorRange::Full,
        VideoColorRange::Range16_235 => ColorRange::Limited,
        _ if luma_chroma => ColorRange::Limited,
        _ => ColorRange::Full,
    };
    Colorimetry { matrix, range, site: chroma_site(info.chroma_site(), hd) }
}

/// Position of the chroma samples.
fn chroma_site(site: gst_video::VideoChromaSite, hd: bool) -> ChromaSite {
    use gst_video::VideoChromaSite as Site;
    if site.is_empty() {
        return if hd { ChromaSite::LEFT } else { ChromaSite::CENTER };
    }
    let offset = |cosited| if site.contains(cosited) { 0.0 } else { 0.5 };
    ChromaSite { x: offset(Site::H_COSITED), y: offset(Site::V_COSITED) }
}

/// GStreamer's name of a format of the core.
fn video_format(format: PixelFormat) -> VideoFormat {
    match format {
        PixelFormat::Rgb => VideoFormat::Rgb,
        PixelFormat::Bgr => VideoFormat::Bgr,
        PixelFormat::Rgbx => VideoFormat::Rgbx,
        PixelFormat::Bgrx => VideoFormat::Bgrx,
        PixelFormat::Xrgb => VideoFormat::Xrgb,
        PixelFormat::Xbgr => VideoFormat::Xbgr,
        PixelFormat::Rgba => VideoFormat::Rgba,
        PixelFormat::Bgra => VideoFormat::Bgra,
        PixelFormat::Argb => VideoFormat::Argb,
        PixelFormat::Abgr => VideoFormat::Abgr,
        PixelFormat::Nv12 => VideoFormat::Nv12,
        PixelFormat::Nv21 => VideoFormat::Nv21,
        PixelFormat::I420 => VideoFormat::I420,
        PixelFormat::Yv12 => VideoFormat::Yv12,
        PixelFormat::Yuy2 => VideoFormat::Yuy2,
        PixelFormat::Uyvy => VideoFormat::Uyvy,
        PixelFormat::Y42b => VideoFormat::Y42b,
        PixelFormat::Y444 => VideoFormat::Y444,
        PixelFormat::P01010Le => VideoFormat::P01010le,
        PixelFormat::I42010Le => VideoFormat::I42010le,
        PixelFormat::I42210Le => VideoFormat::I42210le,
        PixelFormat::Y44410Le => VideoFormat::Y44410le,
        PixelFormat::Gray8 => VideoFormat::Gray8,
        PixelFormat::Gray16Le => VideoFormat::Gray16Le,
        PixelFormat::Gray16Be => VideoFormat::Gray16Be,
        PixelFormat::Gray10Le32 => VideoFormat::Gray10Le32,
    }
}

/// The core's name of a format of GStreamer; `None` for those that it does not take.
fn pixel_format(format: VideoFormat) -> Option<PixelFormat> {
    PixelFormat::ALL.into_iter().find(|&ours| video_format(ours) == format)
}
