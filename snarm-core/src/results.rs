//! Regions as JSON, under the names that `snarmdetect` and the `snarm` command both write, and as DL Streamer's consumers
//! read them; and the lines of results, read back.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::detect::Region;
use crate::error::{Error, Result};

/// What type and label of a region are called.
pub const LABEL: &str = "anomaly";

const WHAT: &str = "results";

/// A region under the names of the metadata, in fractions of the frame.
pub fn region(region: &Region) -> Value {
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

/// A region as DL Streamer gives an object: the box in pixels of a `width` x `height` frame, and again in fractions.
pub fn object(region: &Region, width: usize, height: usize) -> Value {
    let rect = region.rect;
    let pixels = |fraction: f64, side: usize| (fraction * side as f64).round() as i64;
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

/// All regions, by [`region`].
pub fn regions(all: &[Region]) -> Value {
    all.iter().map(region).collect()
}

/// All regions, by [`object`].
pub fn objects(all: &[Region], width: usize, height: usize) -> Value {
    all.iter().map(|region| object(region, width, height)).collect()
}

/// What reports need of one line of results.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scored {
    /// Number of the frame in its clip, or of the image.
    #[serde(default)]
    pub frame_number: u64,
    /// Time in nanoseconds.
    pub timestamp: Option<u64>,
    /// Whether the frame was looked at.
    #[serde(default = "yes")]
    pub analysed: bool,
    /// Score of the image, 0..1.
    pub score: f64,
    /// The limit that made the verdict.
    pub threshold: f64,
    /// Whether the score reached it.
    pub anomalous: bool,
}

fn yes() -> bool {
    true
}

/// Reads a file of JSON lines; at least one.
///
/// # Errors
/// When the file is missing or unreadable, has no line, or one that is no such object.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let unreadable = |e| Error::read(WHAT, path, e);
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
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

    #[test]
    fn an_object_has_its_box_in_pixels_and_in_fractions() {
        let rect = Rect { x: 0.25, y: 0.5, w: 0.5, h: 0.25 };
        let found = Region { id: 0, rect, area: 0.1, score: 0.75, score_mean: 0.6, cx: 0.5, cy: 0.6 };
        let object = object(&found, 640, 360);
        assert_eq!((&object["x"], &object["h"]), (&json!(160), &json!(90)));
        assert_eq!(object["detection"]["bounding_box"]["x_max"], json!(0.75));
        assert_eq!(region(&found)["score-mean"], json!(0.6));
    }

    #[test]
    fn lines_are_read_back_and_others_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_text = |text: &[u8]| {
            std::fs::write(file.path(), text).unwrap();
            read::<Scored>(file.path()).map_err(|e| e.to_string())
        };
        let line = br#"{"score":0.25,"threshold":0.5,"anomalous":false,"frame-number":7,"timestamp":null}"#;
        let scored = Scored {
            frame_number: 7,
            timestamp: None,
            analysed: true,
            score: 0.25,
            threshold: 0.5,
            anomalous: false,
        };
        assert_eq!(read_text(&[line, &b"\n"[..], line].concat()), Ok(vec![scored.clone(), scored]));
        for (text, expected) in [
            (&b""[..], "results: expected at least one line, found none: "),
            (b"{}\n", "expected a line of results, found other in line 1 (missing field `score`"),
            (&[line, &b"\n\xff\n"[..]].concat(), "found other in line 2"),
            (&[line, &b"\n\n"[..]].concat(), "found other in line 2"),
        ] {
            let message = read_text(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(matches!(read::<Scored>(Path::new("none.jsonl")), Err(Error::NotFound { .. })));
    }
}
