//! Results as JSON lines, under the names that `snarmdetect` uses.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
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

/// A results file being written, in its place and line by line: whoever ends the run, what was judged is there. One run at a
/// time writes it.
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    /// Device and number of the file; none of what is no regular file, which anybody may write into.
    identity: Option<(u64, u64)>,
}

impl Writer {
    /// Begins the file anew.
    ///
    /// # Errors
    /// When it cannot be written, or another run writes it.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let failed = || format!("cannot write results {}", text(&path));
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&path).with_context(failed)?;
        let about = file.metadata().with_context(failed)?;
        let identity = about.is_file().then(|| (about.dev(), about.ino()));
        if identity.is_some() {
            // Some network file systems know no locks.
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                bail!("{}: another run writes them at this moment", failed());
            }
            file.set_len(0).with_context(failed)?;
        }
        Ok(Self { path, file, identity })
    }

    /// Writes the line of one frame from `source`.
    pub(super) fn write(&mut self, record: &Record, source: &Path, files: &Files) -> Result<()> {
        let mut line = record.line(Some(&text(source)))?;
        line["annotated"] = json!(files.annotated.as_ref().map(text));
        line["map"] = json!(files.map.as_ref().map(text));
        // At once, so that a signal cuts none.
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.with_context(|| format!("cannot write results {}", text(&self.path)))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it is in its place no more.
    pub(super) fn finish(self) -> Result<()> {
        let found = std::fs::metadata(&self.path).ok().map(|about| (about.dev(), about.ino()));
        if self.identity.is_some() && found != self.identity {
            bail!(
                "expected the results of this run in {}: they were removed or replaced meanwhile",
                text(&self.path)
            );
        }
        Ok(())
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
        let refused = Writer::create(path.clone()).map(drop).unwrap_err().to_string();
        assert!(refused.contains("another run writes them at this moment"), "{refused}");
        for n in 1..=2 {
            writer.write(&Record::unknown(&limits), Path::new("a.png"), &Files::default()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), n);
        }
        std::fs::remove_file(&path).unwrap();
        let told = writer.finish().unwrap_err().to_string();
        assert!(told.contains("they were removed or replaced meanwhile"), "{told}");
        Writer::create(path).unwrap().finish().unwrap();
    }
}
