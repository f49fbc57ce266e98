//! Results as lines of JSON: our own names, and beside them the frame that DL Streamer's consumers read.

use std::fs::File;
use std::io::{self, Write};

use serde_json::{Value, json};
use snarm_core::detector::Region;

use crate::meta::AnomalyMeta;

/// What type and label of a region are called.
const LABEL: &str = "anomaly";

/// When a frame is shown, in nanoseconds; `None` where the stream does not say.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) timestamp: Option<u64>,
    pub(super) stream_time: Option<u64>,
    pub(super) running_time: Option<u64>,
    pub(super) duration: Option<u64>,
}

impl Times {
    /// The times of `buffer` in `segment`.
    pub(super) fn new(buffer: &gst::BufferRef, segment: &gst::Segment) -> Self {
        let nanoseconds = |time: Option<gst::ClockTime>| time.map(gst::ClockTime::nseconds);
        let time_segment = segment.downcast_ref::<gst::ClockTime>();
        Self {
            timestamp: nanoseconds(buffer.pts()),
            stream_time: nanoseconds(time_segment.and_then(|segment| segment.to_stream_time(buffer.pts()))),
            running_time: nanoseconds(time_segment.and_then(|segment| segment.to_running_time(buffer.pts()))),
            duration: nanoseconds(buffer.duration()),
        }
    }
}

/// An open results file, or standard output.
pub(super) struct Results {
    out: Box<dyn Write + Send>,
}

impl Results {
    /// Opens `location` for writing; `-` is standard output.
    pub(super) fn open(location: &str) -> Result<Self, gst::ErrorMessage> {
        if location == "-" {
            return Ok(Self { out: Box::new(io::stdout()) });
        }
        let file = File::create(location).map_err(|error| {
            gst::error_msg!(gst::ResourceError::OpenWrite, ("cannot write the results: {error}: {location}"))
        })?;
        Ok(Self { out: Box::new(file) })
    }

    /// Writes one frame's line and flushes it, so that a reader follows the stream.
    pub(super) fn write(&mut self, meta: &AnomalyMeta, times: &Times) -> Result<(), gst::ErrorMessage> {
        let mut text = line(meta, times).to_string();
        text.push('\n');
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).map_err(|error| {
            gst::error_msg!(gst::ResourceError::Write, ("cannot write the results: {error}"))
        })
    }
}

/// One frame's line.
fn line(meta: &AnomalyMeta, times: &Times) -> Value {
    json!({
        "timestamp": times.timestamp,
        "stream-time": times.stream_time,
        "running-time": times.running_time,
        "duration": times.duration,
        "frame-number": meta.frame_number,
        "analysed": meta.analysed,
        "score": meta.score,
        "score-raw": meta.score_raw,
        "score-max": meta.score_max,
        "threshold": meta.threshold,
        "pixel-threshold": meta.pixel_threshold,
        "anomalous": meta.anomalous,
        "verdict": meta.verdict,
        "area": meta.area,
        "regions": meta.regions.iter().map(region).collect::<Value>(),
        "latency": meta.latency,
        "source-id": meta.source_id,
        "model-id": meta.model_id,
        "bank-id": meta.bank_id,
        "source": meta.source_id,
        "resolution": { "width": meta.frame_width, "height": meta.frame_height },
        "objects": meta.regions.iter().map(|region| object(region, meta)).collect::<Value>(),
        LABEL: {
            "score": meta.score,
            "threshold": meta.threshold,
            "verdict": meta.verdict,
            "area": meta.area,
        },
    })
}

/// A region under the names of the meta.
fn region(region: &Region) -> Value {
    json!({
        "id": region.id,
        "x": region.rect.x,
        "y": region.rect.y,
        "w": region.rect.w,
        "h": region.rect.h,
        "area": region.area,
        "score": region.score,
        "score-mean": region.score_mean,
        "cx": region.cx,
        "cy": region.cy,
    })
}

/// A region as DL Streamer gives an object: the box in pixels, and again in fractions of the frame.
fn object(region: &Region, meta: &AnomalyMeta) -> Value {
    let rect = region.rect;
    let pixels = |fraction: f64, side: u32| (fraction * f64::from(side)).round() as i64;
    json!({
        "x": pixels(rect.x, meta.frame_width),
        "y": pixels(rect.y, meta.frame_height),
        "w": pixels(rect.w, meta.frame_width),
        "h": pixels(rect.h, meta.frame_height),
        "roi_type": LABEL,
        "detection": {
            "bounding_box": {
                "x_min": rect.x,
                "y_min": rect.y,
                "x_max": rect.x + rect.w,
                "y_max": rect.y + rect.h,
            },
            "confidence": region.score,
            "label": LABEL,
            "label_id": 0,
        },
    })
}
