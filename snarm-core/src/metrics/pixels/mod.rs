//! Scored pixels of any number of maps, in bounded memory.
//!
//! Pixels are collected up to the memory allowed, then sorted and written to a file without a name, at a little over
//! a byte a pixel; the files are merged when the figures are read. Sixteen files of one size become one, so that few
//! are open. The figures are exact, and the same for every limit of memory to the last bit: a stream of distinct
//! (score, area) with their counts comes out in one order however it was cut.

mod figures;
mod merge;
mod record;
mod run;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::figures::{Binning, PixelFigures};
use self::merge::{Merge, Source};
use self::record::Record;
use self::run::{Run, Writer};
use super::Step;
use super::regions::Regions;
use crate::error::{Error, Result};

/// Memory for pixels that are not in a file yet, unless told otherwise.
const MEMORY: usize = 64 << 20;

/// Runs of one level that become one run of the next.
const FAN_IN: usize = 16;

const WHAT: &str = "pixel scores";

/// Collects the pixels of score maps and their masks.
///
/// Memory is the limit given, 32 KiB for each file (sixteen times the limit in one file, sixteen of those in the next
/// ...), and tables of one map.
#[derive(Debug)]
pub struct PixelScores {
    folder: PathBuf,
    capacity: usize,
    buffer: Vec<Record>,
    runs: Vec<Run>,
    finder: Regions,
    negatives: u64,
    positives: u64,
    regions: u64,
    range: Option<[f32; 2]>,
}

/// What is found when every pixel from a score on is called anomalous.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelStep {
    /// Pixels found.
    pub step: Step,
    /// Sum over all regions of the fraction found.
    pub overlap: f64,
}

impl Default for PixelScores {
    fn default() -> Self {
        Self::new()
    }
}

impl PixelScores {
    /// No pixels yet; up to 64 MiB of them are held in memory, the rest in the folder for temporary files.
    pub fn new() -> Self {
        Self::within(MEMORY, &std::env::temp_dir())
    }

    /// No pixels yet; up to `memory` bytes of them are held in memory, the rest in `folder`.
    pub fn within(memory: usize, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            capacity: (memory / size_of::<Record>()).max(1),
            buffer: Vec::new(),
            runs: Vec::new(),
            finder: Regions::default(),
            negatives: 0,
            positives: 0,
            regions: 0,
            range: None,
        }
    }

    /// Adds a map in rows of `width`. A pixel's label says whether it is anomalous; pixels without one, such as those
    /// beyond the image, do not count. Anomalous pixels that touch, at corners too, are one region.
    ///
    /// # Errors
    /// When scores and labels do not fit each other, a score is not a number, or a temporary file cannot be written.
    pub fn add(&mut self, scores: &[f32], labels: &[Option<bool>], width: usize) -> Result<()> {
        if scores.len() != labels.len() || width == 0 || !scores.len().is_multiple_of(width) {
            return Err(Error::Values {
                what: "labels of a score map",
                expected: format!("{} of rows of {width}", scores.len()),
                found: labels.len().to_string(),
            });
        }
        let nan =
            scores.iter().zip(labels).filter(|(score, label)| label.is_some() && score.is_nan()).count();
        if nan > 0 {
            let found = format!("{nan} that are not a number");
            return Err(Error::Values { what: WHAT, expected: "numbers".into(), found });
        }
        let mut finder = std::mem::take(&mut self.finder);
        self.regions += finder.run(labels.iter().map(|label| *label == Some(true)), width);
        for ((score, label), area) in scores.iter().zip(labels).zip(finder.areas()) {
            if label.is_some() {
                self.push(*score, area)?;
            }
        }
        self.finder = finder;
        Ok(())
    }

    /// Number of normal pixels.
    pub fn negatives(&self) -> u64 {
        self.negatives
    }

    /// Number of anomalous pixels.
    pub fn positives(&self) -> u64 {
        self.positives
    }

    /// Number of 8-connected regions of anomalous pixels, counted in each map.
    pub fn regions(&self) -> u64 {
        self.regions
    }

    /// Calls `each` with one step for each distinct score, highest first. The last step finds everything.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub fn visit_steps(&mut self, mut each: impl FnMut(&PixelStep)) -> Result<()> {
        let mut overlap = Exact::default();
        let mut at = PixelStep {
            step: Step { threshold: f32::NAN, true_positives: 0, false_positives: 0 },
            overlap: 0.0,
        };
        self.visit(|score, area, count| {
            if score != at.step.threshold {
                if !at.step.threshold.is_nan() {
                    each(&at);
                }
                at.step.threshold = score;
            }
            if area == 0 {
                at.step.false_positives += count;
            } else {
                at.step.true_positives += count;
                overlap.add(count as f64 / f64::from(area));
                at.overlap = overlap.sum();
            }
        })?;
        if !at.step.threshold.is_nan() {
            each(&at);
        }
        Ok(())
    }

    /// Calls `each` with every distinct score and area (0 for normal pixels) and how many pixels have them, highest
    /// score first.
    fn visit(&mut self, mut each: impl FnMut(f32, u32, u64)) -> Result<()> {
        self.buffer.sort_unstable();
        let read = |source| Error::read(WHAT, &self.folder, source);
        let mut merge = merge(&self.runs, &self.buffer).map_err(read)?;
        while let Some((record, count)) = merge.next().map_err(read)? {
            each(record.score(), record.area(), count);
        }
        Ok(())
    }

    fn push(&mut self, score: f32, area: u32) -> Result<()> {
        if self.buffer.len() == self.capacity {
            self.spill().map_err(|source| Error::write(WHAT, &self.folder, source))?;
        }
        if self.buffer.len() == self.buffer.capacity() {
            let more = self.buffer.len().max(1 << 16);
            self.buffer.reserve_exact(more.min(self.capacity - self.buffer.len()));
        }
        self.buffer.push(Record::new(score, area));
        if area == 0 {
            self.negatives += 1
        } else {
            self.positives += 1
        }
        self.range = Some(self.range.map_or([score; 2], |[low, high]| [low.min(score), high.max(score)]));
        Ok(())
    }

    /// Writes what is in memory, and makes one run of too many.
    fn spill(&mut self) -> std::io::Result<()> {
        self.buffer.sort_unstable();
        let run = write(merge(&[], &self.buffer)?, &self.folder, 0)?;
        self.buffer.clear();
        self.runs.push(run);
        while let Some(first) = self.full_level() {
            let level = self.runs[first].level + 1;
            let run = write(merge(&self.runs[first..], &[])?, &self.folder, level)?;
            self.runs.truncate(first);
            self.runs.push(run);
        }
        Ok(())
    }

    /// Where the last runs begin, if there are enough of one level to merge them.
    fn full_level(&self) -> Option<usize> {
        let first = self.runs.len().checked_sub(FAN_IN)?;
        let level = self.runs.last()?.level;
        self.runs[first..].iter().all(|run| run.level == level).then_some(first)
    }
}

fn merge<'a>(runs: &'a [Run], buffer: &'a [Record]) -> std::io::Result<Merge<'a>> {
    let mut sources = vec![Source::Memory(buffer)];
    for run in runs {
        sources.push(Source::File(run.reader()?));
    }
    Merge::new(sources)
}

fn write(mut records: Merge<'_>, folder: &Path, level: u32) -> std::io::Result<Run> {
    let mut writer = Writer::new(folder)?;
    while let Some((record, count)) = records.next()? {
        writer.write(record, count)?;
    }
    writer.finish(level)
}

/// A sum of many small terms that keeps what rounding would lose (Neumaier).
#[derive(Debug, Default)]
struct Exact {
    sum: f64,
    lost: f64,
}

impl Exact {
    fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        self.lost +=
            if self.sum.abs() >= term.abs() { (self.sum - sum) + term } else { (term - sum) + self.sum };
        self.sum = sum;
    }

    fn sum(&self) -> f64 {
        self.sum + self.lost
    }
}
