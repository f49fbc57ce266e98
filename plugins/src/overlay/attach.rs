//! Tiles as a `GstVideoOverlayComposition`, which whoever shows the frame draws.

use gst_video::{
    VideoFormat, VideoFrameFlags, VideoMeta, VideoOverlayComposition, VideoOverlayCompositionMeta,
    VideoOverlayFormatFlags, VideoOverlayRectangle,
};
use snarm_core::overlay::Tile;

/// Attaches `tiles` to `buffer`, above what others attached before. The frame is `width` x `height`.
pub(super) fn attach(
    buffer: &mut gst::BufferRef,
    tiles: &[Tile],
    [width, height]: [usize; 2],
) -> Result<(), gst::glib::BoolError> {
    let ours = tiles.iter().filter_map(|tile| rectangle(tile, width, height));
    let composition = match buffer.meta::<VideoOverlayCompositionMeta>() {
        Some(meta) => meta.overlay().iter().chain(ours).collect::<Vec<_>>(),
        None => ours.collect(),
    };
    if composition.is_empty() {
        return Ok(());
    }
    let composition = VideoOverlayComposition::new(&composition)?;
    match buffer.meta_mut::<VideoOverlayCompositionMeta>() {
        Some(mut meta) => meta.set_overlay(&composition),
        None => drop(VideoOverlayCompositionMeta::add(buffer, &composition)),
    }
    Ok(())
}

/// The part of a tile inside the frame, its colours multiplied by their alpha: a consumer that scales a rectangle then
/// interpolates them right.
fn rectangle(tile: &Tile, width: usize, height: usize) -> Option<VideoOverlayRectangle> {
    let span = |start: isize, length: usize, limit: usize| {
        let (first, last) = (start.max(0), (start + length as isize).min(limit as isize));
        (last > first).then_some((first, (last - first) as usize, (first - start) as usize))
    };
    let (x, w, skip_x) = span(tile.x, tile.width, width)?;
    let (y, h, skip_y) = span(tile.y, tile.height, height)?;
    let mut pixels = Vec::with_capacity(4 * w * h);
    for row in tile.pixels.chunks_exact(4 * tile.width).skip(skip_y).take(h) {
        for &[r, g, b, a] in row.as_chunks().0.iter().skip(skip_x).take(w) {
            pixels.extend(native([r, g, b].map(|c| times(c, a)), a));
        }
    }
    let mut buffer = gst::Buffer::from_mut_slice(pixels);
    let layout = (VideoFrameFlags::empty(), FORMAT, w as u32, h as u32);
    VideoMeta::add(buffer.get_mut()?, layout.0, layout.1, layout.2, layout.3).ok()?;
    let flags = VideoOverlayFormatFlags::PREMULTIPLIED_ALPHA;
    Some(VideoOverlayRectangle::new_raw(&buffer, x as i32, y as i32, w as u32, h as u32, flags))
}

/// The format of composition rectangles: alpha in the highest byte of a native word.
const FORMAT: VideoFormat = if cfg!(target_endian = "big") { VideoFormat::Argb } else { VideoFormat::Bgra };

fn native([r, g, b]: [u8; 3], a: u8) -> [u8; 4] {
    u32::from_be_bytes([a, r, g, b]).to_ne_bytes()
}

/// c * a / 255, rounded.
fn times(c: u8, a: u8) -> u8 {
    ((u16::from(c) * u16::from(a) + 127) / 255) as u8
}
