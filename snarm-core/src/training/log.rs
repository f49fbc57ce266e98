//! The course of a run, as a table in a file: comma-separated values, one row a step.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

const WHAT: &str = "training log";

/// A log that is open for rows. Each row is in the file when [`Log::row`] returns.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: File,
    columns: usize,
}

impl Log {
    /// Opens the log of a run that goes on with step `step`: rows of that step and later ones, which a killed run may
    /// have left, are dropped. The first column is the step.
    ///
    /// # Errors
    /// When the file cannot be written, or is the log of something else.
    pub fn open(path: &Path, columns: &[&str], step: u64) -> Result<Self> {
        let header = columns.join(",");
        let mut text = header.clone() + "\n";
        if step > 0 {
            let old = match std::fs::read_to_string(path) {
                Ok(old) => old,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => text.clone(),
                Err(e) => return Err(Error::read(WHAT, path, e)),
            };
            let mut lines = old.split_inclusive('\n');
            let found = lines.next().unwrap_or_default().trim_end();
            if found != header {
                return Err(Error::wrong_file(WHAT, path, format!("columns {header}"), format!("'{found}'")));
            }
            let step_of = |line: &str| line.split(',').next().and_then(|text| text.parse::<u64>().ok());
            // A killed run may have left half a row.
            let whole = lines.filter(|line| line.ends_with('\n'));
            text.extend(whole.take_while(|line| step_of(line).is_some_and(|at| at < step)));
        }
        let wrong = |e| Error::write(WHAT, path, e);
        crate::files::replace(path, text.as_bytes()).map_err(wrong)?;
        let file = OpenOptions::new().append(true).open(path).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), file, columns: columns.len() })
    }

    /// Adds the row of a step; the values belong to the columns after the first. What is not a number stays empty.
    ///
    /// # Errors
    /// When the file cannot be written, or there is not a value for each column.
    pub fn row(&mut self, step: u64, values: &[f64]) -> Result<()> {
        if values.len() + 1 != self.columns {
            let expected = format!("{} values", self.columns - 1);
            return Err(Error::Values { what: WHAT, expected, found: values.len().to_string() });
        }
        let mut line = step.to_string();
        for value in values {
            line.push(',');
            if value.is_finite() {
                line += &value.to_string();
            }
        }
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(|e| Error::write(WHAT, &self.path, e))
    }
}
