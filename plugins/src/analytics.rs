//! Results as `GstAnalyticsRelationMeta`, which elements of GStreamer 1.26 and later read and carry through crops, scales
//! and flips.
//!
//! Every frame gets one, since overlays repeat the last picture on frames without. It holds
//! - a classification without a parent: the verdict of the frame;
//! - a segmentation without a parent: the mask, its region ids 0 (normal) and 1 (anomaly) equal to their indices, related
//!   to a classification that names the two;
//! - an object detection of type `anomaly` for each region.

use gst::glib::{self, translate::IntoGlibPtr};
use gst_analytics::prelude::*;
use gst_analytics::{AnalyticsRelationMeta, RelTypes, ffi};
use gst_video::VideoFormat;
use snarm_core::Grid;
use snarm_core::detect::Verdict;
use snarm_core::results::{LABEL, Resolution};

use crate::meta::{AnomalyMeta, picture};

/// Readers of masks take rows to be as long as they are wide, and GStreamer pads rows to this.
const ROW: usize = 4;

/// The pixels of `map` (of `size`) from `threshold` on, as a GRAY8 picture of 0 and 1. A width that is no multiple of four is
/// enlarged to one.
pub(crate) fn mask(map: &[f32], size: Grid, threshold: f64) -> Option<gst::Buffer> {
    let Grid { rows, columns } = size;
    let to = columns.next_multiple_of(ROW);
    let pixel = |i: usize| {
        let at = i / to * columns + i % to * columns / to;
        map.get(at).is_some_and(|s| f64::from(*s) >= threshold)
    };
    let samples = (0..rows * to).map(|i| u8::from(pixel(i))).collect();
    picture(samples, VideoFormat::Gray8, [to, rows])
}

/// Attaches what `meta` says and the mask of the frame; what others attached stays.
pub(crate) fn attach(
    buffer: &mut gst::BufferRef,
    meta: &AnomalyMeta,
    mask: Option<&gst::Buffer>,
) -> Result<(), glib::BoolError> {
    if buffer.meta::<AnalyticsRelationMeta>().is_none() {
        AnalyticsRelationMeta::add(buffer);
    }
    let mut relations = buffer
        .meta_mut::<AnalyticsRelationMeta>()
        .ok_or_else(|| glib::bool_error!("the relation meta that was just added is gone"))?;
    let confidence = match meta.verdict {
        Verdict::Normal => 1.0 - meta.score,
        Verdict::Unknown => 0.0,
        _ => meta.score,
    };
    relations.add_one_cls_mtd(confidence as f32, glib::Quark::from_str(meta.verdict.name()))?;

    let Resolution { width, height } = meta.resolution;
    let (width, height) = (f64::from(width), f64::from(height));
    let pixels = |fraction: f64, side: f64| (fraction * side).round() as i32;
    for region in &meta.regions {
        let rect = region.rect;
        relations.add_od_mtd(
            glib::Quark::from_str(LABEL),
            pixels(rect.x, width),
            pixels(rect.y, height),
            pixels(rect.w, width),
            pixels(rect.h, height),
            region.score as f32,
        )?;
    }

    let Some(mask) = mask else { return Ok(()) };
    let rect = meta.map_rect;
    let place =
        [pixels(rect.x, width), pixels(rect.y, height), pixels(rect.w, width), pixels(rect.h, height)];
    let segmentation = add_segmentation(&mut relations, mask.clone(), place)?;
    let classes = [Verdict::Normal.name(), LABEL].map(glib::Quark::from_str);
    let peak = meta.score_max as f32;
    let names = relations.add_cls_mtd(&[1.0 - peak, peak], &classes)?.id();
    relations.set_relation(RelTypes::N_TO_N, segmentation, names)
}

/// Adds a semantic segmentation into regions 0 and 1 and returns its id. The crate has no safe function for it.
pub(crate) fn add_segmentation(
    relations: &mut gst::MetaRefMut<'_, AnalyticsRelationMeta, gst::meta::Standalone>,
    mask: gst::Buffer,
    [x, y, w, h]: [i32; 4],
) -> Result<u32, glib::BoolError> {
    let mut ids = [0_u32, 1];
    let mut added = ffi::GstAnalyticsSegmentationMtd { id: 0, meta: std::ptr::null_mut() };
    #[expect(unsafe_code, reason = "the binding has no segmentation; this is its C function")]
    // SAFETY: the meta is borrowed exclusively, `mask` is handed over as the function expects, `ids` is copied by it, and
    // `added` is a plain structure that it fills.
    let done = unsafe {
        ffi::gst_analytics_relation_meta_add_segmentation_mtd(
            relations.as_mut_ptr(),
            IntoGlibPtr::<*mut gst::ffi::GstBuffer>::into_glib_ptr(mask),
            ffi::GST_SEGMENTATION_TYPE_SEMANTIC,
            ids.len(),
            ids.as_mut_ptr(),
            x,
            y,
            w.max(0) as u32,
            h.max(0) as u32,
            &mut added,
        )
    };
    if done == glib::ffi::GFALSE {
        Err(glib::bool_error!("no room for a segmentation"))
    } else {
        Ok(added.id)
    }
}
