//! The files of a run: what it makes, and beside it what it leaves on the way.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Ending of what a run makes; the files beside it have theirs in its place. Of a name with another ending theirs come
/// after it, so that `tiny-0.5` and `tiny-0.7` share none.
const MADE: &str = "safetensors";

/// Where a run writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    out: PathBuf,
    resume: bool,
}

impl Files {
    /// Of a run that makes `out`, and that goes on where an earlier one ended (`resume`) or begins.
    ///
    /// # Errors
    /// When `out` is a folder, or a run that begins would overwrite the checkpoint of an earlier one.
    pub fn of(out: &Path, resume: bool) -> Result<Self> {
        let files = Self { out: out.to_owned(), resume };
        if out.is_dir() {
            let (expected, found) = ("a file".to_owned(), format!("folder {}", out.display()));
            return Err(Error::Setting { name: "out", expected, found });
        }
        let checkpoint = files.checkpoint();
        if !resume && checkpoint.exists() {
            let expected = "none of an earlier run (--resume goes on with it)".to_owned();
            return Err(Error::Setting {
                name: "checkpoint",
                expected,
                found: checkpoint.display().to_string(),
            });
        }
        Ok(files)
    }

    /// Whether the run goes on from its checkpoint.
    pub fn resume(&self) -> bool {
        self.resume
    }

    /// What the run makes.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// All that the next step depends on.
    pub fn checkpoint(&self) -> PathBuf {
        self.beside("checkpoint")
    }

    /// The course of the run.
    pub fn log(&self) -> PathBuf {
        self.beside("csv")
    }

    /// Figures of a test in the end.
    pub fn figures(&self) -> PathBuf {
        self.beside("json")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        if self.out.extension().is_some_and(|made| made == MADE) {
            return self.out.with_extension(ending);
        }
        let mut name = self.out.clone().into_os_string();
        name.push(".");
        name.push(ending);
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_different_runs_have_different_names() {
        let all = |out: &str| {
            let files = Files::of(Path::new(out), false).unwrap();
            [files.checkpoint(), files.log(), files.figures()].map(|path| path.display().to_string())
        };
        assert_eq!(all("a/b.safetensors"), ["a/b.checkpoint", "a/b.csv", "a/b.json"]);
        assert_eq!(all("tiny-0.5"), ["tiny-0.5.checkpoint", "tiny-0.5.csv", "tiny-0.5.json"]);
        for out in ["s.checkpoint", "s.csv", "s.json"] {
            assert!(!all(out).contains(&out.to_owned()), "{out}");
        }
    }

    #[test]
    fn a_folder_and_a_forgotten_resume_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let message = Files::of(folder.path(), false).unwrap_err().to_string();
        assert_eq!(message, format!("out: expected a file, found folder {}", folder.path().display()));
        let out = folder.path().join("a.safetensors");
        let files = Files::of(&out, false).unwrap();
        std::fs::write(files.checkpoint(), "").unwrap();
        let message = Files::of(&out, false).unwrap_err().to_string();
        let path = files.checkpoint();
        let expected = "checkpoint: expected none of an earlier run (--resume goes on with it), found ";
        assert_eq!(message, format!("{expected}{}", path.display()));
        let again = Files::of(&out, true).unwrap();
        let all = |files: &Files| (files.out().to_owned(), files.checkpoint(), files.log(), files.figures());
        assert_eq!((all(&again), again.resume(), files.resume()), (all(&files), true, false));
    }
}
