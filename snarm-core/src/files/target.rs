//! Where a path leads, before something is written there.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// Links that are followed, as many as Linux follows.
const LINKS: usize = 40;

/// What is to be written.
pub(super) enum Target {
    /// A device, a FIFO, or what a program has open: written into, never replaced.
    Stream(PathBuf),
    /// A file, and what it is now if it is there. No link: links were followed.
    File(PathBuf, Option<Metadata>),
}

impl Target {
    /// Follows the links of `path`, also of one whose file is not there yet.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut at = path.to_owned();
        for _ in 0..LINKS {
            let found = match fs::symlink_metadata(&at) {
                Ok(found) => found,
                Err(e) if e.kind() == io::ErrorKind::NotFound && at.file_name().is_some() => {
                    return Ok(Self::File(at, None));
                }
                Err(e) => return Err(e),
            };
            if found.is_symlink() {
                if names_what_is_open(&at) {
                    return Ok(Self::Stream(at));
                }
                at = folder_of(&at).join(fs::read_link(&at)?);
            } else if found.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            } else if found.is_file() {
                return Ok(Self::File(at, Some(found)));
            } else {
                return Ok(Self::Stream(at));
            }
        }
        Err(io::Error::other("too many links, or links in a circle"))
    }
}

/// Whether a link is one of the system for a file that a program has open, such as /dev/stdout.
fn names_what_is_open(link: &Path) -> bool {
    let folder = folder_of(link).canonicalize().unwrap_or_default();
    folder.starts_with("/proc") || folder == Path::new("/dev")
}

/// The folder that a file lies in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
