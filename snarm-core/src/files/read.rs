//! Reading a file whole.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::error::{Error, Result};

/// An open regular file.
pub(crate) struct Opened<'a> {
    what: &'static str,
    path: &'a Path,
    file: File,
    before: Metadata,
}

/// Reads a regular file whole.
///
/// # Errors
/// When the file is missing, unreadable, a folder, a FIFO or another special file, or changes while it is read.
pub(crate) fn read(what: &'static str, path: &Path) -> Result<Vec<u8>> {
    Opened::of(what, path)?.whole()
}

impl<'a> Opened<'a> {
    /// Opens a regular file. A FIFO is refused, where an ordinary open would wait for a writer.
    ///
    /// # Errors
    /// When the file is missing, unreadable, or no regular file.
    pub(crate) fn of(what: &'static str, path: &'a Path) -> Result<Self> {
        let failed = |e| Error::read(what, path, e);
        let flags = OFlags::NONBLOCK.bits() as i32;
        // Looked at first, as a device may do something when it is opened; and once more, as it may be another by then.
        let seen = std::fs::metadata(path).map_err(failed)?;
        let regular = |found: &Metadata| match kind(found) {
            "a file" => Ok(()),
            other => Err(Error::wrong_file(what, path, "a file", other)),
        };
        regular(&seen)?;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        regular(&before)?;
        Ok(Self { what, path, file, before })
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.before.len()
    }

    /// The first bytes, up to `count`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn begins(&self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(self.len() as usize)];
        let read = self.file.read_exact_at(&mut bytes, 0);
        read.map(|()| bytes).map_err(|e| Error::read(self.what, self.path, e))
    }

    /// The file, at its beginning.
    pub(crate) fn file(self) -> File {
        self.file
    }

    /// All bytes.
    ///
    /// # Errors
    /// When the file cannot be read, does not fit into memory, or changes meanwhile.
    pub(crate) fn whole(self) -> Result<Vec<u8>> {
        let failed = |e| Error::read(self.what, self.path, e);
        let mut bytes = Vec::new();
        let length = usize::try_from(self.len()).map_err(io::Error::other).map_err(failed)?;
        bytes.try_reserve_exact(length).map_err(|_| failed(io::ErrorKind::OutOfMemory.into()))?;
        // No more than was there: a file that grows all the time would never end.
        (&self.file).take(self.len()).read_to_end(&mut bytes).map_err(failed)?;
        let after = self.file.metadata().map_err(failed)?;
        let same = |a: &Metadata, b: &Metadata| {
            a.len() == b.len() && a.modified().ok() == b.modified().ok() && bytes.len() as u64 == a.len()
        };
        if !same(&self.before, &after) {
            return Err(failed(io::Error::other("it changed while it was read")));
        }
        Ok(bytes)
    }
}

/// What a file is, in a word or two.
pub fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_file() {
        "a file"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
