//! What is attached to a buffer: the detection in the fields of the meta, and the map as a picture.

use gst_video::{VideoFormat, VideoFrameFlags, VideoInfo, VideoMeta};
use snarm_core::detector::{Detection, Detector, Limits};
use snarm_core::geometry::Rect;

use super::MapFormat;
use crate::meta::{self, AnomalyMeta};

/// The meta of a frame that was not analysed.
pub(super) fn unknown(detector: &Detector, info: &VideoInfo, limits: &Limits) -> AnomalyMeta {
    AnomalyMeta {
        analysed: false,
        stale: false,
        frame_number: 0,
        score: meta::NONE,
        score_raw: meta::NONE,
        score_max: meta::NONE,
        threshold: limits.threshold,
        threshold_low: meta::NONE,
        pixel_threshold: limits.pixel_threshold,
        anomalous: false,
        verdict: "unknown".into(),
        area: 0.0,
        regions: Vec::new(),
        frame_width: info.width(),
        frame_height: info.height(),
        seen: Rect::WHOLE,
        map_rect: Rect::WHOLE,
        map: None,
        latency: 0,
        source_id: None,
        model_id: format!("{}:{}", detector.encoder().digest(), detector.scorer()),
        bank_id: detector.bank().digest().into(),
        bank_generation: 0,
        device: "cpu".into(),
    }
}

/// Writes a detection into the meta.
pub(super) fn detection(detection: &Detection, map_format: MapFormat, found: &mut AnomalyMeta) {
    found.analysed = true;
    found.score = detection.score;
    found.score_raw = detection.raw_score;
    found.score_max = detection.score_max;
    found.anomalous = detection.anomalous;
    found.verdict = if detection.anomalous { "anomalous" } else { "normal" }.into();
    found.area = detection.area;
    found.regions = detection.regions.clone();
    (found.seen, found.map_rect) = (detection.seen, detection.map_rect);
    found.map = map_buffer(detection, map_format);
}

/// The map of pixel scores as a grey picture.
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
    let (side, stride) = (detection.map_side as u32, samples.len() / detection.map_side.max(1));
    let mut buffer = gst::Buffer::from_mut_slice(samples);
    let flags = VideoFrameFlags::empty();
    VideoMeta::add_full(buffer.get_mut()?, flags, format, side, side, &[0], &[stride as i32]).ok()?;
    Some(buffer)
}
