//! A bank file that is written, kept from others meanwhile.

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
        let hold = Hold::of(path).map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_owned(), hold })
    }

    /// Takes the right to write a file that need not be there yet.
    pub(super) fn of_place(path: &Path) -> Result<Option<Self>> {
        let hold = Hold::of_place(path).map_err(|error| failed(path, error))?;
        Ok(hold.map(|hold| Self { path: path.to_owned(), hold }))
    }

    /// Writes a bank in place of what the file was when it was held, or of the one that was written last.
    ///
    /// # Errors
    /// As [`Bank::save`], and when somebody put another file in its place.
    pub fn save(&mut self, bank: &Bank) -> Result<()> {
        let failed = |error| Error::write(file::WHAT, &self.path, error);
        self.hold.replace(&file::bytes(bank, Vec::new()).map_err(failed)?).map_err(failed)
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::read(file::WHAT, path, error),
        ErrorKind::ResourceBusy => {
            Error::write(file::WHAT, path, std::io::Error::other("somebody else is writing it"))
        }
        _ => Error::write(file::WHAT, path, error),
    }
}
