//! Keeping others from changing a file between reading and writing it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::target::Target;
use super::write::{Replacement, is_at};

/// A file that is replaced by one program at a time: a lock on the file itself, that goes over to the new content. Readers
/// are not kept out. Given up when dropped, or when the process ends.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    /// None while there is no file yet, which cannot be locked: whoever writes it first has it.
    file: Option<File>,
}

impl Hold {
    /// Takes hold of an existing file.
    ///
    /// # Errors
    /// When there is no regular file that may be written, or [`io::ErrorKind::ResourceBusy`] when somebody else holds it.
    pub fn of(path: &Path) -> io::Result<Self> {
        match Target::of(path)? {
            Target::File(path, Some(_)) => Self::lock(path),
            Target::File(_, None) => Err(io::ErrorKind::NotFound.into()),
            Target::Stream(_) => Err(io::Error::other("expected a file, found a device or a FIFO")),
        }
    }

    /// Takes hold of a file that need not be there yet; nothing of a device or a FIFO, into which anybody may write.
    ///
    /// # Errors
    /// As [`Self::of`], but for a file that is not there.
    pub fn of_place(path: &Path) -> io::Result<Option<Self>> {
        match Target::of(path)? {
            Target::File(path, Some(_)) => Self::lock(path).map(Some),
            Target::File(path, None) => Ok(Some(Self { path, file: None })),
            Target::Stream(_) => Ok(None),
        }
    }

    fn lock(path: PathBuf) -> io::Result<Self> {
        loop {
            let flags = OFlags::NONBLOCK.bits() as i32;
            let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path)?;
            match file.try_lock() {
                // The one before may have put its file in place between the two steps.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => return Ok(Self { path, file: Some(file) }),
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
                Err(TryLockError::Error(reason)) => {
                    // Some network file systems know no locks.
                    tracing::debug!("no lock: {reason}: {}", path.display());
                    return Ok(Self { path, file: Some(file) });
                }
            }
        }
    }

    /// Replaces the file, as [`super::replace`] does, and holds the new one.
    ///
    /// # Errors
    /// As [`super::replace`], and when somebody has put another file in its place.
    pub fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        // What somebody removed is written anew.
        if self.path.symlink_metadata().is_ok()
            && !self.file.as_ref().is_some_and(|file| is_at(file, &self.path))
        {
            return Err(io::Error::other("another program has written it meanwhile"));
        }
        let mut new = Replacement::of(&self.path)?;
        new.write_all(bytes)?;
        self.file = Some(new.finish_locked()?);
        Ok(())
    }
}
