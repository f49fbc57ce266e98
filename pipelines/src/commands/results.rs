//! Results as JSON lines, under the names that `snarmdetect` uses.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use snarm_core::bank::Bank;
use snarm_core::detect::{Detection, Limits};
use snarm_core::paths::text;
use snarm_core::results::{self, LABEL};

use crate::inputs::Item;

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
        let line = line(item, found, limits, bank, files).to_string();
        writeln!(self.out, "{line}").with_context(|| format!("cannot write results {}", self.path.display()))
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
        "regions": results::regions(&found.regions),
        "latency": found.times.total().as_nanos() as u64,
        "bank-id": bank.digest(),
        "source": text(item.source),
        "annotated": files.annotated.as_ref().map(text),
        "map": files.map.as_ref().map(text),
        "resolution": { "width": width, "height": height },
        "objects": results::objects(&found.regions, width, height),
        LABEL: { "score": found.score, "threshold": limits.threshold, "verdict": verdict, "area": found.area },
    })
}
