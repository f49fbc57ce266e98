//! What the meta says, in the words of the core's overlay.

use gst_video::{VideoFormat, VideoMeta};
use snarm_core::overlay::{MapView, RegionBox, Scene};

use crate::meta::AnomalyMeta;

/// A map that is mapped for reading.
type Samples<'a> = gst::BufferMap<'a, gst::buffer::Readable>;

/// The regions as boxes.
pub(super) fn boxes(found: &AnomalyMeta) -> Vec<RegionBox> {
    let boxes = found.regions.iter().map(|region| {
        let rect = region.rect;
        RegionBox { x: rect.x, y: rect.y, w: rect.w, h: rect.h, score: region.score }
    });
    boxes.collect()
}

/// All that is drawn of one frame.
pub(super) fn scene<'a>(
    found: &'a AnomalyMeta,
    samples: Option<&'a Samples<'a>>,
    regions: &'a [RegionBox],
) -> Scene<'a> {
    Scene {
        map: samples.and_then(map),
        rect: found.map_rect,
        regions,
        score: found.score,
        threshold: found.threshold,
        pixel_threshold: found.pixel_threshold,
        area: found.area,
        verdict: &found.verdict,
    }
}

/// The map; `None` for a layout other than those that `snarmdetect` writes.
fn map<'a>(samples: &'a Samples<'a>) -> Option<MapView<'a>> {
    let layout = samples.buffer().meta::<VideoMeta>()?;
    let (width, height) = (layout.width() as usize, layout.height() as usize);
    let stride = usize::try_from(*layout.stride().first()?).ok()?;
    match layout.format() {
        VideoFormat::Gray8 => MapView::gray8(samples, width, height, stride).ok(),
        VideoFormat::Gray16Le => MapView::gray16(samples, width, height, stride).ok(),
        _ => None,
    }
}
