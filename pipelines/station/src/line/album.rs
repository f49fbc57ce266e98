//! Pictures of learned frames, evenly chosen from a stream of any length. A picture has the name of its time, by which the
//! bank knows the frame.

use std::path::PathBuf;

use anyhow::{Context, Result};
use snarm_core::files;

/// Most pictures that are kept. When there are more, every second one goes, and every second frame from then on.
const MOST: usize = 400;

/// The pictures of one line.
pub(super) struct Album {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Of so many frames one is kept.
    step: usize,
    frames: usize,
}

impl Album {
    /// An empty one: what is learned anew makes a new bank.
    pub(super) fn begin(folder: PathBuf) -> Result<Self> {
        // One that is not there needs no removal.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder, files: Vec::new(), step: 1, frames: 0 })
    }

    /// Adds the picture of the next frame.
    pub(super) fn add(&mut self, time: u64, jpeg: &[u8]) -> Result<()> {
        self.frames += 1;
        if !(self.frames - 1).is_multiple_of(self.step) {
            return Ok(());
        }
        let file = self.folder.join(format!("{time}.jpg"));
        files::put(&file, jpeg).with_context(|| format!("cannot write {}", file.display()))?;
        self.files.push(file);
        if self.files.len() > MOST {
            let all = std::mem::take(&mut self.files);
            for (at, file) in all.into_iter().enumerate() {
                match at.is_multiple_of(2) {
                    true => self.files.push(file),
                    // One that somebody removed needs no removal.
                    false => drop(std::fs::remove_file(file)),
                }
            }
            self.step *= 2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_a_long_stream_are_few_and_evenly_spread() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("learned/cap");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.jpg"), b"of before").unwrap();
        let mut album = Album::begin(folder.clone()).unwrap();
        for time in 0..3000 {
            album.add(10 * time, b"jpeg").unwrap();
        }
        let names = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
        let mut times: Vec<u64> =
            names.map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
        times.sort_unstable();
        assert!((MOST / 2..=MOST).contains(&times.len()), "{}", times.len());
        assert!(times.windows(2).all(|two| two[1] - two[0] == times[1]), "{times:?}");
    }
}
