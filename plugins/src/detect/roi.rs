//! Regions as `GstVideoRegionOfInterestMeta`, for elements that know no meta of ours. The parameter structure has the
//! layout that DL Streamer's converter and watermark read. It does not survive a format change; the score in
//! `SnarmAnomalyMeta` does.

use std::ops::ControlFlow;

use gst::buffer::BufferMetaForeachAction as Action;
use gst_video::VideoRegionOfInterestMeta as Roi;
use snarm_core::results::{LABEL, Resolution};

use crate::meta::AnomalyMeta;

/// Attaches one per region in place of older ones of ours.
pub(super) fn attach(buffer: &mut gst::BufferRef, meta: &AnomalyMeta) {
    buffer.foreach_meta_mut(|mut old| {
        let ours = old.downcast_ref::<Roi>().is_some_and(|roi| roi.roi_type() == LABEL);
        ControlFlow::Continue(if ours { Action::Remove } else { Action::Keep })
    });
    let Resolution { width, height } = meta.resolution;
    let (width, height) = (f64::from(width), f64::from(height));
    for region in &meta.regions {
        let rect = region.rect;
        let edge = |fraction: f64, side: f64| (fraction * side).round().clamp(0.0, side) as u32;
        let (left, top) = (edge(rect.x, width), edge(rect.y, height));
        let (right, bottom) = (edge(rect.x + rect.w, width), edge(rect.y + rect.h, height));
        let mut roi = Roi::add(buffer, LABEL, (left, top, right - left, bottom - top));
        roi.set_id(region.id as i32);
        roi.add_param(
            gst::Structure::builder("detection")
                .field("label_id", 0_i32)
                .field("confidence", region.score)
                .field("x_min", rect.x)
                .field("x_max", rect.x + rect.w)
                .field("y_min", rect.y)
                .field("y_max", rect.y + rect.h)
                .build(),
        );
    }
}
