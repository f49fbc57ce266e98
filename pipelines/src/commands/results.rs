//! Results as JSON lines, under the names that `snarmdetect` uses, and the part of them that reports need.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use snarm_core::bank::Bank;
use snarm_core::detector::{Detection, Limits, Region};

use crate::inputs::Item;

/// What type and label of a region are called.
const LABEL: &str = "anomaly";

/// Files that were written for one frame.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) annotated: Option<PathBuf>,
    pub(super) map: Option<PathBuf>,
}

/// A results file being written.
pub(super) struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Writer {
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).with_context(|| format!("cannot write results {}", path.display()))?;
        Ok(Self { path, out: BufWriter::new(file) })
    }

    /// Writes the line of one frame.
    pub(super) fn write(
        &mut self,
        item: &Item<'_>,
        found: &Detection,
        limits: &Limits,
        bank: &Bank,
        files: &Files,
    ) -> Result<()> {
        let text = line(item, found, limits, bank, files).to_string();
        writeln!(self.out, "{text}").with_context(|| format!("cannot write results {}", self.path.display()))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.out.flush().with_context(|| format!("cannot write results {}", self.path.display()))
    }
}

fn line(item: &Item<'_>, found: &Detection, limits: &Limits, bank: &Bank, files: &Files) -> Value {
    let (width, height) = (item.frame.width(), item.frame.height());
    let verdict = if found.anomalous { "anomalous" } else { "normal" };
    json!({
        "timestamp": item.time,
        "frame-number": item.number,
        "analysed": true,
        "score": found.score,
        "score-raw": found.raw_score,
        "score-max": found.score_max,
        "threshold": limits.threshold,
        "pixel-threshold": limits.pixel_threshold,
        "anomalous": found.anomalous,
        "verdict": verdict,
        "area": found.area,
        "regions": found.regions.iter().map(region).collect::<Value>(),
        "latency": found.times.total().as_nanos() as u64,
        "bank-id": bank.digest(),
        "source": item.source,
        "annotated": files.annotated,
        "map": files.map,
        "resolution": { "width": width, "height": height },
        "objects": found.regions.iter().map(|r| object(r, width, height)).collect::<Value>(),
        LABEL: { "score": found.score, "threshold": limits.threshold, "verdict": verdict, "area": found.area },
    })
}

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
fn object(region: &Region, width: usize, height: usize) -> Value {
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

/// What reports need of one line.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Scored {
    #[serde(default)]
    pub(super) frame_number: u64,
    pub(super) timestamp: Option<u64>,
    #[serde(default = "yes")]
    pub(super) analysed: bool,
    pub(super) score: f64,
    pub(super) threshold: f64,
    pub(super) anomalous: bool,
}

fn yes() -> bool {
    true
}

/// Reads lines of JSON; at least one.
pub(super) fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).with_context(|| format!("cannot read results {}", path.display()))?;
    let mut lines = Vec::new();
    for (i, text) in BufReader::new(file).lines().enumerate() {
        let text = text.with_context(|| format!("cannot read results {}", path.display()))?;
        let line = serde_json::from_str(&text);
        lines.push(line.with_context(|| {
            format!("expected a line of results, found other: line {} of {}", i + 1, path.display())
        })?);
    }
    if lines.is_empty() {
        bail!("expected at least one line of results, found none in {}", path.display());
    }
    Ok(lines)
}
