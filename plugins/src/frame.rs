//! GStreamer's frames as the core sees them: which formats are taken, and borrowed planes with their strides and
//! the meaning of their samples. Everything that all three elements share on their pads is here.

use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameRef, VideoInfo};
use snarm_core::frame::{
    ChromaSite, ColorMatrix, ColorRange, Colorimetry, Frame, FrameMut, PixelFormat, Plane, PlaneMut,
};

use crate::error;

/// Smallest width and height that is taken.
const MIN_SIDE: i32 = 16;

/// Height from which GStreamer takes frames without colour information for high definition.
const HD_HEIGHT: u32 = 577;

/// Every format of the core in system memory.
pub(crate) fn caps() -> gst::Caps {
    gst_video::VideoCapsBuilder::new()
        .format_list(PixelFormat::ALL.map(video_format))
        .width_range(MIN_SIDE..)
        .height_range(MIN_SIDE..)
        .build()
}

/// The same caps on a sink and a source pad: every format of the core in system memory.
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

/// Maps `buffer` for reading and hands its frame to `use_frame`.
pub(crate) fn with_frame<R>(
    buffer: &gst::BufferRef,
    info: &VideoInfo,
    use_frame: impl FnOnce(&Frame<'_>) -> Result<R, snarm_core::Error>,
) -> Result<R, gst::ErrorMessage> {
    let mapped = VideoFrameRef::from_buffer_ref_readable(buffer, info)
        .map_err(|error| gst::error_msg!(gst::ResourceError::Read, ("cannot map the frame: {error}")))?;
    let (format, strides) = layout(&mapped)?;
    let data = mapped.planes_data();
    let planes = [0, 1, 2].map(|i| Plane { data: data[i], stride: strides[i] });
    Frame::new(
        format,
        mapped.width() as usize,
        mapped.height() as usize,
        &planes[..format.n_planes()],
        colorimetry(mapped.info()),
    )
    .map_err(snarm_core::Error::from)
    .and_then(|frame| use_frame(&frame))
    .map_err(|error| error::message(&error))
}

/// Maps `buffer` for drawing and hands its frame to `draw`.
pub(crate) fn with_frame_mut(
    buffer: &mut gst::BufferRef,
    info: &VideoInfo,
    draw: impl FnOnce(&mut FrameMut<'_>) -> Result<(), snarm_core::Error>,
) -> Result<(), gst::ErrorMessage> {
    let mut mapped = VideoFrameRef::from_buffer_ref_writable(buffer, info)
        .map_err(|error| gst::error_msg!(gst::ResourceError::Write, ("cannot map the frame: {error}")))?;
    let (format, strides) = layout(&mapped)?;
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
    .map_err(snarm_core::Error::from)
    .and_then(|mut frame| draw(&mut frame))
    .map_err(|error| error::message(&error))
}

/// Format and strides of a mapped frame; strides that the format does not have are 0.
fn layout<T>(mapped: &VideoFrameRef<T>) -> Result<(PixelFormat, [usize; 3]), gst::ErrorMessage>
where
    VideoFrameRef<T>: VideoFrameExt,
{
    let Some(format) = pixel_format(mapped.format()) else {
        return Err(gst::error_msg!(gst::StreamError::Format, ("unexpected format {}", mapped.format())));
    };
    let mut strides = [0; 3];
    for (stride, &found) in strides.iter_mut().zip(mapped.plane_stride()) {
        *stride = usize::try_from(found).map_err(|_| {
            gst::error_msg!(
                gst::StreamError::Format,
                ("frames stored bottom up are not supported: stride {found}")
            )
        })?;
    }
    Ok((format, strides))
}

/// How the samples of a frame become colours. What the caps leave open is filled as GStreamer's own converters do.
fn colorimetry(info: &VideoInfo) -> Colorimetry {
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
        PixelFormat::Gray8 => VideoFormat::Gray8,
        PixelFormat::Gray16Le => VideoFormat::Gray16Le,
    }
}

/// The core's name of a format of GStreamer; `None` for those that it does not take.
fn pixel_format(format: VideoFormat) -> Option<PixelFormat> {
    PixelFormat::ALL.into_iter().find(|&ours| video_format(ours) == format)
}
