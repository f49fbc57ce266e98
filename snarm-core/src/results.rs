//! What is told of a frame: [`Record`], which metadata, messages and lines of results are written from, and the file of
//! lines read back.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::detect::{Detection, Limits, Region, Verdict};
use crate::error::{Error, Result};
use crate::files::Opened;
use crate::light::{Quality, Reason};

/// What type and label of a region are called.
pub const LABEL: &str = "anomaly";

/// Value of scores and thresholds that do not exist.
pub const NONE: f64 = -1.0;

const WHAT: &str = "results";

/// What is told of one frame, under the names of the metadata of `snarmdetect` in kebab case. Of a line of results only
/// `score` and `threshold` must be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Presentation time in nanoseconds.
    #[serde(default)]
    pub timestamp: Option<u64>,
    /// Stream time in nanoseconds.
    #[serde(default)]
    pub stream_time: Option<u64>,
    /// Running time in nanoseconds.
    #[serde(default)]
    pub running_time: Option<u64>,
    /// How long the frame is shown, in nanoseconds.
    #[serde(default)]
    pub duration: Option<u64>,
    /// When the frame was captured, in nanoseconds since 1970, where the source says so.
    #[serde(default)]
    pub capture_time: Option<u64>,
    /// Number of the frame in its stream or clip, or of the image, from 0.
    #[serde(default)]
    pub frame_number: u64,
    /// Whether the frame was looked at.
    #[serde(default = "yes")]
    pub analysed: bool,
    /// Whether the result is an earlier frame's.
    #[serde(default)]
    pub stale: bool,
    /// Image score, 0..1; [`NONE`] when not analysed.
    pub score: f64,
    /// Image score before it was brought to 0..1.
    #[serde(default = "none")]
    pub score_raw: f64,
    /// Highest pixel score.
    #[serde(default = "none")]
    pub score_max: f64,
    /// Image threshold used.
    pub threshold: f64,
    /// Lower image threshold; [`NONE`] when there is none.
    #[serde(default = "none")]
    pub threshold_low: f64,
    /// Pixel threshold used.
    #[serde(default = "none")]
    pub pixel_threshold: f64,
    /// What the score means by the thresholds.
    #[serde(default)]
    pub verdict: Verdict,
    /// Why an analysed frame has no verdict.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// Light of the frame as a multiple of what was usual while learning; [`NONE`] where that is not known.
    #[serde(default = "none")]
    pub light: f64,
    /// Detail of the frame as a multiple of what was usual; [`NONE`] where that is not known.
    #[serde(default = "none")]
    pub sharpness: f64,
    /// Fraction of the frame that the regions cover.
    #[serde(default)]
    pub area: f64,
    /// The regions, highest score first.
    #[serde(default)]
    pub regions: Vec<Region>,
    /// Time that the analysis took, in nanoseconds.
    #[serde(default)]
    pub latency: u64,
    /// Name of the source, as set on the element.
    #[serde(default)]
    pub source_id: Option<String>,
    /// Digest of the encoder and name of the scorer.
    #[serde(default)]
    pub model_id: String,
    /// Digest of the bank.
    #[serde(default)]
    pub bank_id: String,
    /// Number of the bank since the stream started, from 0.
    #[serde(default)]
    pub bank_generation: u32,
    /// Where the network ran: `cpu`, or `cuda:` and the number of the device; empty where that is not known.
    #[serde(default)]
    pub device: String,
    /// What elements of matrix products were rounded to, `f32` or `bf16`; empty where that is not known.
    #[serde(default)]
    pub precision: String,
    /// Size of the frame as analysed.
    #[serde(default)]
    pub resolution: Resolution,
}

/// Size of a frame in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

fn yes() -> bool {
    true
}

fn none() -> f64 {
    NONE
}

impl Record {
    /// A frame that was not analysed, and the limits that hold for it.
    pub fn unknown(limits: &Limits) -> Self {
        Self {
            timestamp: None,
            stream_time: None,
            running_time: None,
            duration: None,
            capture_time: None,
            frame_number: 0,
            analysed: false,
            stale: false,
            score: NONE,
            score_raw: NONE,
            score_max: NONE,
            threshold: limits.threshold,
            threshold_low: limits.threshold_low.unwrap_or(NONE),
            pixel_threshold: limits.pixel_threshold,
            verdict: Verdict::Unknown,
            reason: None,
            light: NONE,
            sharpness: NONE,
            area: 0.0,
            regions: Vec::new(),
            latency: 0,
            source_id: None,
            model_id: String::new(),
            bank_id: String::new(),
            bank_generation: 0,
            device: String::new(),
            precision: String::new(),
            resolution: Resolution::default(),
        }
    }

    /// Takes over what was found in the frame.
    pub fn take(&mut self, found: &Detection) {
        self.analysed = true;
        self.score = found.score;
        self.score_raw = found.raw_score;
        self.score_max = found.score_max;
        self.verdict = found.verdict;
        self.reason =
            found.quality.and_then(|quality| quality.reason).filter(|_| found.verdict == Verdict::Unknown);
        let number = |of: fn(Quality) -> f64| found.quality.map_or(NONE, of);
        (self.light, self.sharpness) = (number(|quality| quality.light), number(|quality| quality.sharpness));
        self.area = found.area;
        self.regions.clone_from(&found.regions);
        self.latency = found.times.total().as_nanos() as u64;
    }

    /// Whether the score reached the threshold.
    pub fn is_anomalous(&self) -> bool {
        self.verdict.is_anomalous()
    }

    /// The line of results: our own names; `anomalous`; and beside them the frame that DL Streamer's consumers read, of
    /// `source` and with the regions as `objects`.
    ///
    /// # Errors
    /// When a number of the record is none that JSON has a name for.
    pub fn line(&self, source: Option<&str>) -> serde_json::Result<Value> {
        let mut line = serde_json::to_value(self)?;
        line["anomalous"] = json!(self.is_anomalous());
        line["source"] = json!(source);
        line["objects"] = self.regions.iter().map(|region| object(region, self.resolution)).collect();
        line[LABEL] = json!({
            "score": self.score,
            "threshold": self.threshold,
            "verdict": self.verdict,
            "area": self.area,
        });
        Ok(line)
    }
}

/// A region as DL Streamer gives an object: the box in pixels of the frame, and again in fractions.
fn object(region: &Region, Resolution { width, height }: Resolution) -> Value {
    let rect = region.rect;
    let pixels = |fraction: f64, side: u32| (fraction * f64::from(side)).round() as i64;
    json!({
        "x": pixels(rect.x, width),
        "y": pixels(rect.y, height),
        "w": pixels(rect.w, width),
        "h": pixels(rect.h, height),
        "roi_type": LABEL,
        "detection": {
            "bounding_box": {
                "x_min": rect.x, "y_min": rect.y, "x_max": rect.x + rect.w, "y_max": rect.y + rect.h,
            },
            "confidence": region.score,
            "label": LABEL,
            "label_id": 0,
        },
    })
}

/// Reads a file of results. The thresholds give the verdict of lines without one, which older versions wrote.
///
/// # Errors
/// As [`read_lines`].
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let mut records: Vec<Record> = read_lines(path)?;
    for record in &mut records {
        if record.verdict == Verdict::Unknown && record.analysed && record.score >= 0.0 {
            let low = Some(record.threshold_low).filter(|&low| low != NONE);
            record.verdict = Verdict::of(record.score, record.threshold, low);
        }
    }
    Ok(records)
}

/// Reads a file of JSON lines; at least one.
///
/// # Errors
/// When the file is missing or unreadable, has no line, or one that is no such object.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let unreadable = |e| Error::read(WHAT, path, e);
    let mut file = BufReader::new(Opened::of(WHAT, path)?.file());
    let (mut lines, mut text) = (Vec::new(), Vec::new());
    while file.read_until(b'\n', &mut text).map_err(unreadable)? > 0 {
        let number = lines.len() + 1;
        let line = serde_json::from_slice(&text).map_err(|e| {
            Error::wrong_file(WHAT, path, "a line of results", format!("other in line {number} ({e})"))
        })?;
        lines.push(line);
        text.clear();
    }
    if lines.is_empty() {
        return Err(Error::wrong_file(WHAT, path, "at least one line", "none"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Rect;

    fn record() -> Record {
        let limits = Limits {
            threshold: 0.5,
            threshold_low: Some(0.4),
            pixel_threshold: 0.6,
            min_area: 0.0,
            max_regions: 9,
        };
        let rect = Rect { x: 0.25, y: 0.5, w: 0.5, h: 0.25 };
        let region = Region { id: 0, rect, area: 0.1, score: 0.75, score_mean: 0.6, cx: 0.5, cy: 0.6 };
        Record {
            analysed: true,
            frame_number: 7,
            score: 0.45,
            verdict: limits.verdict(0.45),
            regions: vec![region],
            resolution: Resolution { width: 640, height: 360 },
            ..Record::unknown(&limits)
        }
    }

    #[test]
    fn a_line_has_its_boxes_in_pixels_and_in_fractions() {
        let line = record().line(Some("camera")).unwrap();
        let (object, region) = (&line["objects"][0], &line["regions"][0]);
        assert_eq!((&object["x"], &object["h"]), (&json!(160), &json!(90)));
        assert_eq!(object["detection"]["bounding_box"]["x_max"], json!(0.75));
        assert_eq!((&region["score-mean"], &region["w"]), (&json!(0.6), &json!(0.5)));
        assert_eq!((&line["source"], &line["anomalous"]), (&json!("camera"), &json!(false)));
        assert_eq!((&line["verdict"], &line["threshold-low"]), (&json!("uncertain"), &json!(0.4)));
        assert_eq!((&line[LABEL]["verdict"], &line["timestamp"]), (&json!("uncertain"), &Value::Null));
    }

    #[test]
    fn lines_are_read_back_and_others_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_text = |text: &[u8]| {
            std::fs::write(file.path(), text).unwrap();
            read(file.path()).map_err(|e| e.to_string())
        };
        let line = record().line(None).unwrap().to_string();
        let lines = format!("{line}\n{line}");
        assert_eq!(read_text(lines.as_bytes()), Ok(vec![record(), record()]));
        // Older lines have fewer names.
        let older = br#"{"score":0.25,"threshold":0.5,"anomalous":false,"timestamp":null}
{"score":0.75,"threshold":0.5,"anomalous":true}
{"score":0.45,"threshold":0.5,"threshold-low":0.4}
{"score":-1,"threshold":0.5}"#;
        let older = read_text(older).unwrap();
        assert_eq!((older[0].analysed, older[0].threshold_low), (true, NONE));
        let verdicts = [Verdict::Normal, Verdict::Anomalous, Verdict::Uncertain, Verdict::Unknown];
        assert_eq!(older.iter().map(|record| record.verdict).collect::<Vec<_>>(), verdicts);
        for (text, expected) in [
            (&b""[..], "results: expected at least one line, found none: "),
            (b"{}\n", "expected a line of results, found other in line 1 (missing field `score`"),
            (&[line.as_bytes(), b"\n\xff\n"].concat(), "found other in line 2"),
            (&[line.as_bytes(), b"\n\n"].concat(), "found other in line 2"),
        ] {
            let message = read_text(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(matches!(read(Path::new("none.jsonl")), Err(Error::NotFound { .. })));
    }
}
