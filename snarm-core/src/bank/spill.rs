//! Descriptors of frames that wait for the end, in half precision: as many in memory as it may take, more in a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::error::{Error, Result};

const WHAT: &str = "descriptors of learned frames";

/// The most bytes of descriptors in memory.
pub(super) const MOST_BYTES: usize = 160 << 20;

/// The most bytes of descriptors in a file.
const MOST_ON_DISK: usize = 1 << 30;

/// The frames that are kept in memory in any case, however large their descriptors are.
const FEWEST_FRAMES: usize = 32;

/// How many frames of so many numbers each are kept in memory.
fn in_memory(numbers: usize) -> usize {
    (MOST_BYTES / (numbers * size_of::<f16>()).max(1)).max(FEWEST_FRAMES)
}

/// How many frames of so many numbers each are kept.
pub(super) fn room(numbers: usize) -> usize {
    in_memory(numbers).saturating_add(MOST_ON_DISK / (numbers * size_of::<f16>()).max(1))
}

/// The descriptors of one frame.
pub(super) enum Halves {
    Memory(Vec<f16>),
    /// A part of a file.
    Spilled {
        file: Arc<File>,
        at: u64,
        numbers: usize,
    },
}

/// Where descriptors are kept.
///
/// The file has no name: it is gone with this value, and with the process, however that ends.
pub(super) struct Spill {
    folder: PathBuf,
    /// Frames in memory.
    held: usize,
    file: Option<Arc<File>>,
    /// Bytes of the file.
    end: u64,
    /// Parts of the file that are of use no more, by their beginning and length.
    free: Vec<(u64, usize)>,
}

impl Spill {
    /// Nothing yet; a file would lie in this folder.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, held: 0, file: None, end: 0, free: Vec::new() }
    }

    /// Keeps the descriptors of a frame.
    pub(super) fn keep(&mut self, descriptors: &[f32]) -> io::Result<Halves> {
        let halves: Vec<f16> = descriptors.iter().map(|v| f16::from_f32(*v)).collect();
        if self.held < in_memory(halves.len()) {
            self.held += 1;
            return Ok(Halves::Memory(halves));
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let made = Arc::new(tempfile::tempfile_in(&self.folder)?);
                Arc::clone(self.file.insert(made))
            }
        };
        let numbers = halves.len();
        let free = self.free.iter().position(|(_, length)| *length == numbers);
        let at = free.map_or(self.end, |free| self.free.swap_remove(free).0);
        let mut spilled = Halves::Spilled { file, at, numbers };
        let written = spilled.write(halves);
        if written.is_err() {
            // What is at the end is not there; other parts are free again.
            self.free.extend((at < self.end).then_some((at, numbers)));
        }
        written?;
        self.end = self.end.max(at + (numbers * size_of::<f16>()) as u64);
        Ok(spilled)
    }

    /// Forgets the descriptors of a frame, whose place another one may take.
    pub(super) fn forget(&mut self, halves: Halves) {
        match halves {
            Halves::Memory(_) => self.held = self.held.saturating_sub(1),
            Halves::Spilled { at, numbers, .. } => self.free.push((at, numbers)),
        }
    }

    /// The error of a file that cannot be read or written.
    pub(super) fn error(&self, source: io::Error) -> Error {
        Error::write(WHAT, &self.folder, source)
    }
}

impl Halves {
    /// In full precision.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn widened(&self) -> Result<Vec<f32>> {
        let read = self.read().map_err(|source| Error::read(WHAT, &std::env::temp_dir(), source))?;
        Ok(read.iter().map(|v| v.to_f32()).collect())
    }

    /// Multiplies the columns of all descriptors by factors.
    pub(super) fn scale(&mut self, factors: &[f32]) -> io::Result<()> {
        let mut halves = match self {
            Self::Memory(halves) => std::mem::take(halves),
            Self::Spilled { .. } => self.read()?,
        };
        for row in halves.chunks_exact_mut(factors.len().max(1)) {
            row.iter_mut().zip(factors).for_each(|(v, f)| *v = f16::from_f32(v.to_f32() * f));
        }
        self.write(halves)
    }

    fn read(&self) -> io::Result<Vec<f16>> {
        match self {
            Self::Memory(halves) => Ok(halves.clone()),
            Self::Spilled { file, at, numbers } => {
                let mut halves = vec![f16::ZERO; *numbers];
                file.read_exact_at(bytemuck::cast_slice_mut(halves.reinterpret_cast_mut()), *at)?;
                Ok(halves)
            }
        }
    }

    fn write(&mut self, halves: Vec<f16>) -> io::Result<()> {
        match self {
            Self::Memory(own) => *own = halves,
            Self::Spilled { file, at, .. } => {
                file.write_all_at(bytemuck::cast_slice(halves.reinterpret_cast()), *at)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of a frame of which the memory takes the fewest.
    const LARGE: usize = 4 << 20;

    #[test]
    fn as_many_frames_are_kept_as_memory_and_disk_hold() {
        assert_eq!((in_memory(1600 * 128), room(1600 * 128)), (409, 3030), "those of the default encoder");
        assert_eq!((in_memory(2401 * 512), room(2401 * 512)), (68, 504), "those of DINOv2");
        assert_eq!((in_memory(LARGE), in_memory(1 << 30)), (FEWEST_FRAMES, FEWEST_FRAMES));
        assert!(room(0) >= 1024);
    }

    #[test]
    fn what_does_not_fit_into_memory_comes_back_from_a_file_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(folder.path().to_owned());
        // As if the memory were full.
        spill.held = usize::MAX;
        let frame = |i: usize| -> Vec<f32> { (0..12).map(|at| (i * 12 + at) as f32).collect() };
        let mut kept: Vec<Halves> = (0..5).map(|i| spill.keep(&frame(i)).unwrap()).collect();
        assert!(kept.iter().all(|halves| matches!(halves, Halves::Spilled { .. })));
        let found: Vec<Vec<f32>> = kept.iter().map(|halves| halves.widened().unwrap()).collect();
        assert_eq!(found, (0..5).map(frame).collect::<Vec<_>>());
        // A place that is free is taken, so that the file does not grow.
        spill.forget(kept.remove(1));
        let end = spill.end;
        kept.push(spill.keep(&frame(9)).unwrap());
        assert_eq!((spill.end, kept[4].widened().unwrap()), (end, frame(9)));
        kept[4].scale(&[2.0, 0.5]).unwrap();
        let scaled: Vec<f32> = frame(9).chunks(2).flat_map(|pair| [2.0 * pair[0], 0.5 * pair[1]]).collect();
        assert_eq!(kept[4].widened().unwrap(), scaled);
        assert_eq!(kept[3].widened().unwrap(), frame(4));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn memory_that_is_free_again_is_used_first() {
        let mut spill = Spill::new(PathBuf::from("/nowhere"));
        let first = spill.keep(&[1.0]).unwrap();
        spill.forget(first);
        assert!(matches!(spill.keep(&[2.0]), Ok(Halves::Memory(_))));
        spill.held = usize::MAX;
        assert!(spill.keep(&[3.0]).is_err(), "a folder that is not there");
    }
}
