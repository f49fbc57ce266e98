//! Results as lines of JSON: our own names, and beside them the frame that DL Streamer's consumers read.

use std::fs::File;
use std::io::{self, Write};

use serde_json::{Value, json};
use snarm_core::results::{self, LABEL};

use crate::meta::AnomalyMeta;

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
    pub(super) fn write(&mut self, meta: &AnomalyMeta, times: &Times) -> io::Result<()> {
        let mut text = line(meta, times).to_string();
        text.push('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
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
        "stale": meta.stale,
        "score": meta.score,
        "score-raw": meta.score_raw,
        "score-max": meta.score_max,
        "threshold": meta.threshold,
        "threshold-low": meta.threshold_low,
        "pixel-threshold": meta.pixel_threshold,
        "anomalous": meta.anomalous,
        "verdict": meta.verdict,
        "area": meta.area,
        "regions": results::regions(&meta.regions),
        "latency": meta.latency,
        "source-id": meta.source_id,
        "model-id": meta.model_id,
        "bank-id": meta.bank_id,
        "bank-generation": meta.bank_generation,
        "source": meta.source_id,
        "resolution": { "width": meta.frame_width, "height": meta.frame_height },
        "objects": results::objects(&meta.regions, meta.frame_width as usize, meta.frame_height as usize),
        LABEL: {
            "score": meta.score,
            "threshold": meta.threshold,
            "verdict": meta.verdict,
            "area": meta.area,
        },
    })
}
