//! What is attached to a buffer: the detection in the fields of the meta, and the map as a picture.

use gst_video::{VideoFormat, VideoInfo};
use snarm_core::detect::Detection;
use snarm_core::results::{Record, Resolution};
use snarm_core::view::Rect;

use super::MapFormat;
use super::found::{Found, InUse};
use super::settings::Settings;
use crate::meta::{self, AnomalyMeta};

/// The result of a frame that was not analysed.
pub(super) fn unknown(
    bank: &InUse,
    info: &VideoInfo,
    settings: &Settings,
    frame_number: u64,
    device: &str,
) -> Found {
    let record = Record {
        frame_number,
        resolution: Resolution { width: info.width(), height: info.height() },
        source_id: settings.source_id.clone(),
        model_id: bank.model_id.clone(),
        bank_id: bank.bank_id.clone(),
        bank_generation: bank.generation,
        device: device.to_owned(),
        ..Record::unknown(&settings.limits(bank, info))
    };
    let meta = AnomalyMeta { record, seen: Rect::WHOLE, map_rect: Rect::WHOLE, map: None };
    Found {
        meta,
        quality: None,
        #[cfg(feature = "analytics")]
        mask: None,
    }
}

/// Writes a detection into the result.
pub(super) fn detection(detection: &Detection, settings: &Settings, found: &mut Found) {
    let meta = &mut found.meta;
    meta.take(detection);
    found.quality = detection.quality;
    (meta.seen, meta.map_rect) = (detection.seen, detection.map_rect);
    meta.map = map_buffer(detection, settings.map_format);
    #[cfg(feature = "analytics")]
    if settings.attach.contains(super::Attach::ANALYTICS) {
        found.mask = crate::analytics::mask(&detection.map, detection.map_size, meta.pixel_threshold);
    }
}

/// The anomaly map as a grey picture.
fn map_buffer(detection: &Detection, format: MapFormat) -> Option<gst::Buffer> {
    let scores = detection.map.iter().map(|score| score.clamp(0.0, 1.0));
    let (samples, format) = match format {
        MapFormat::None => return None,
        MapFormat::Gray8 => {
            (scores.map(|s| (s * 255.0).round() as u8).collect::<Vec<_>>(), VideoFormat::Gray8)
        }
        MapFormat::Gray16 => {
            let sample = |s: f32| ((s * 65535.0).round() as u16).to_le_bytes();
            (scores.flat_map(sample).collect(), VideoFormat::Gray16Le)
        }
    };
    meta::picture(samples, format, [detection.map_size.columns, detection.map_size.rows])
}
