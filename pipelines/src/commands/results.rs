//! Results as JSON lines, under the names that `snarmdetect` uses.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use snarm_core::detect::{Detection, Detector, Limits, device_name};
use snarm_core::paths::text;
use snarm_core::results::{Record, Resolution};

use crate::inputs::Item;

/// Files that were written for one frame.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) annotated: Option<PathBuf>,
    pub(super) map: Option<PathBuf>,
}

/// A results file being written, in its place and line by line: whoever ends the run, what was judged is there.
pub(super) struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Writer {
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).with_context(|| format!("cannot write results {}", path.display()))?;
        Ok(Self { path, out: BufWriter::new(file) })
    }

    /// Writes the line of one frame from `source`.
    pub(super) fn write(&mut self, record: &Record, source: &Path, files: &Files) -> Result<()> {
        let mut line = record.line(Some(&text(source)))?;
        line["annotated"] = json!(files.annotated.as_ref().map(text));
        line["map"] = json!(files.map.as_ref().map(text));
        let written = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        written.with_context(|| format!("cannot write results {}", self.path.display()))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.out.flush().with_context(|| format!("cannot write results {}", self.path.display()))
    }
}

/// What is told of a frame.
pub(super) fn record(item: &Item<'_>, found: &Detection, limits: &Limits, detector: &Detector) -> Record {
    let (width, height) = (item.frame.width() as u32, item.frame.height() as u32);
    let mut record = Record {
        timestamp: item.time,
        frame_number: item.number,
        model_id: detector.model_id(),
        bank_id: detector.bank().digest().to_owned(),
        device: device_name(&detector.place()),
        precision: detector.precision().name().to_owned(),
        resolution: Resolution { width, height },
        ..Record::unknown(limits)
    };
    record.take(found);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_killed_leaves_the_lines_of_what_was_judged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let mut writer = Writer::create(path.clone()).unwrap();
        let limits = Limits {
            threshold: 0.5,
            threshold_low: None,
            pixel_threshold: 0.5,
            min_area: 0.0,
            max_regions: 1,
        };
        for n in 1..=2 {
            writer.write(&Record::unknown(&limits), Path::new("a.png"), &Files::default()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), n);
        }
    }
}
