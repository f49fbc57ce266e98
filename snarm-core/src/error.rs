//! What can go wrong in the core, with what was expected and what was found.

use std::path::{Path, PathBuf};

use crate::paths::text;
use crate::printable::printable;

/// A file that is broken or does not fit, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadFile {
    /// The file.
    pub path: PathBuf,
    /// What was expected and what was found.
    pub reason: String,
}

impl BadFile {
    pub(crate) fn new(path: PathBuf, reason: impl Into<String>) -> Self {
        Self { path, reason: reason.into() }
    }
}

impl std::fmt::Display for BadFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", text(&self.path), self.reason)
    }
}

/// A failure of the core.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that is needed does not exist.
    #[error("{what} not found: {}", text(path))]
    NotFound {
        /// What the file is for.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file exists but cannot be read.
    #[error("cannot read {what}: {reason}: {}", text(path))]
    Read {
        /// What the file is for.
        what: &'static str,
        /// Where it lies.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {what}: {reason}: {}", text(path))]
    Write {
        /// What the file is for.
        what: &'static str,
        /// Where it should lie.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// A file was read and is not what it should be.
    #[error("{what}: expected {}, found {}: {}", printable(expected), printable(found), text(path))]
    WrongFile {
        /// What the file is for.
        what: &'static str,
        /// Where it lies.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// Files of a data set that cannot be used.
    #[error("data set: expected readable images and masks that fit them, found {} bad files:{}", .0.len(), lines(.0))]
    BadFiles(Vec<BadFile>),
    /// Two things that must belong together do not: bank, encoder, decoder, and what they are used for.
    #[error("{what}: expected {}, found {}", printable(expected), printable(found))]
    Mismatch {
        /// What was compared.
        what: &'static str,
        /// What was needed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Values that an operation cannot take: too many or too few, or no numbers.
    #[error("{what}: expected {}, found {}", printable(expected), printable(found))]
    Values {
        /// What they are.
        what: &'static str,
        /// What was needed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Sizes that make no network, or tensors of other sizes than their network's.
    #[error("{what}: expected {}, found {}", printable(expected), printable(found))]
    Sizes {
        /// What the network is.
        what: &'static str,
        /// What they may be.
        expected: String,
        /// What they are.
        found: String,
    },
    /// An ignore mask leaves too little of a frame to find anything.
    #[error(
        "ignore mask: expected at least {needed} of {patches} patches that are not ignored, found {left}"
    )]
    NothingToSee {
        /// Patches that must be left.
        needed: usize,
        /// Patches of the frame.
        patches: usize,
        /// Patches that are left.
        left: usize,
    },
    /// A region of interest is less than a pixel of a frame.
    #[error("roi: expected at least one pixel of a frame of {width}x{height}, found {roi}")]
    RegionTooThin {
        /// The region.
        roi: String,
        /// Width of the frame in pixels.
        width: usize,
        /// Height of the frame in pixels.
        height: usize,
    },
    /// A setting lies outside what it may be.
    #[error("{name}: expected {}, found {}", printable(expected), printable(found))]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A published network is known by name but is not on this machine.
    #[error("encoder {name}: expected {}, found no file; `snarm fetch {name}` downloads it", text(path))]
    NotFetched {
        /// Name of the network.
        name: &'static str,
        /// Where it would lie.
        path: PathBuf,
    },
    /// The limits of the process leave too little memory.
    #[error("memory for {what}: expected {} MB more, found {}", needed >> 20, found(*left))]
    Memory {
        /// What it is for.
        what: &'static str,
        /// Bytes that are needed.
        needed: usize,
        /// Bytes that the control group leaves, where there is a limit.
        left: Option<u64>,
    },
    /// A bank cannot be made of so few frames.
    #[error("too few good frames: expected at least {needed}, found {found}")]
    TooFewFrames {
        /// Frames needed.
        needed: usize,
        /// Frames collected.
        found: usize,
    },
    /// Candle refused an operation on tensors.
    #[error("tensors: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A kernel refused its arguments or could not start its threads.
    #[error(transparent)]
    Kernel(#[from] snarm_kernels::Error),
}

/// Result of a call into the core.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether CUDA is missing or failed, so that the processor could do what was asked for.
    pub fn is_of_device(&self) -> bool {
        matches!(self, Self::Kernel(snarm_kernels::Error::Cuda(_)))
    }

    /// The error for a failed open or read of `path`: [`Error::NotFound`] or [`Error::Read`].
    pub(crate) fn read(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound { what, path },
            _ => Self::Read { what, path, reason: source },
        }
    }

    /// The error for a failed write of `path`.
    pub(crate) fn write(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Write { what, path: path.to_owned(), reason: source }
    }

    /// The error for a file of the wrong content.
    pub(crate) fn wrong_file(
        what: &'static str,
        path: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::WrongFile { what, path: path.to_owned(), expected: expected.into(), found: found.into() }
    }
}

/// What a process may have.
fn found(left: Option<u64>) -> String {
    left.map_or_else(
        || "the system to refuse it".to_owned(),
        |left| format!("{} MB that are left", left >> 20),
    )
}

/// One line for each file.
fn lines(files: &[BadFile]) -> String {
    files.iter().map(|file| format!("\n  {}", printable(&file.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_the_system_is_told_once() {
        let full = || std::io::Error::other("the disk is full");
        for error in
            [Error::write("bank", Path::new("a"), full()), Error::read("bank", Path::new("a"), full())]
        {
            // Programs put the causes of an error behind it.
            assert!(error.to_string().contains("the disk is full"), "{error}");
            assert!(std::error::Error::source(&error).is_none(), "{error}");
        }
    }

    #[test]
    fn what_a_file_says_of_itself_does_not_steer_a_terminal() {
        let steering = "\u{1b}[2J\nsnarm: all is well";
        let (what, path) = ("bank", Path::new(steering));
        let text = || steering.to_owned();
        for error in [
            Error::NotFound { what, path: path.to_owned() },
            Error::write(what, path, std::io::Error::other("full")),
            Error::wrong_file(what, path, steering, steering),
            Error::Mismatch { what, expected: text(), found: text() },
            Error::Values { what, expected: text(), found: text() },
            Error::Sizes { what, expected: text(), found: text() },
            Error::Setting { name: what, expected: text(), found: text() },
            Error::BadFiles(vec![BadFile { path: path.to_owned(), reason: text() }]),
        ] {
            let said = error.to_string();
            let control = said.chars().filter(|c| c.is_control()).count();
            // The list of bad files begins a line for each.
            assert_eq!(control, usize::from(matches!(error, Error::BadFiles(_))), "{said:?}");
            let escaped = [r"\u001b[2J\u000asnarm", r"\x1b[2J\x0asnarm"];
            assert!(escaped.iter().any(|text| said.contains(text)), "{said}");
        }
    }
}
