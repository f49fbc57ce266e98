//! Keeping others from changing a file between reading and writing it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::target::Target;
use super::write::{Replacement, is_at};

/// A file that is read and then replaced by one program at a time: a lock on the file itself, that goes over to the new
/// content. Readers are not kept out. Given up when dropped, or when the process ends.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    file: File,
}

impl Hold {
    /// Takes hold of an existing file.
    ///
    /// # Errors
    /// When there is no regular file that may be written, or [`io::ErrorKind::ResourceBusy`] when somebody else holds it.
    pub fn of(path: &Path) -> io::Result<Self> {
        let path = match Target::of(path)? {
            Target::File(path, Some(_)) => path,
            Target::File(_, None) => return Err(io::ErrorKind::NotFound.into()),
            Target::Stream(_) => return Err(io::Error::other("expected a file, found a device or a FIFO")),
        };
        loop {
            let flags = OFlags::NONBLOCK.bits() as i32;
            let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path)?;
            match file.try_lock() {
                // The one before may have put its file in place between the two steps.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => return Ok(Self { path, file }),
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
                Err(TryLockError::Error(reason)) => {
                    // Some network file systems know no locks.
                    tracing::debug!("no lock: {reason}: {}", path.display());
                    return Ok(Self { path, file });
                }
            }
        }
    }

    /// Replaces the file, as [`super::replace`] does, and holds the new one.
    ///
    /// # Errors
    /// As [`super::replace`], and when somebody has put another file in its place.
    pub fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !is_at(&self.file, &self.path) {
            return Err(io::Error::other("another program has replaced it meanwhile"));
        }
        let mut new = Replacement::of(&self.path)?;
        new.write_all(bytes)?;
        self.file = new.finish_locked()?;
        Ok(())
    }
}
