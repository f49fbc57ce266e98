//! A bank file that is continued, kept from others meanwhile.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Bank, file};
use crate::error::{Error, Result};
use crate::files::Hold;

/// The right to write a bank file anew. Given up when dropped.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    hold: Hold,
}

impl Held {
    /// Takes the right to write an existing file.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => Error::read(file::WHAT, path, error),
            ErrorKind::ResourceBusy => {
                Error::write(file::WHAT, path, std::io::Error::other("somebody else is adding to it"))
            }
            _ => Error::write(file::WHAT, path, error),
        };
        Ok(Self { path: path.to_owned(), hold: Hold::of(path).map_err(failed)? })
    }

    /// Writes a bank in place of the one that was opened, or written last.
    ///
    /// # Errors
    /// As [`Bank::save`], and when somebody put another file in its place.
    pub fn save(&mut self, bank: &Bank) -> Result<()> {
        let failed = |error| Error::write(file::WHAT, &self.path, error);
        self.hold.replace(&file::bytes(bank, Vec::new()).map_err(failed)?).map_err(failed)
    }
}
