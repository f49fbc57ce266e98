//! A file that grows line by line, as loggers and those who rotate their files expect: every write goes to its end, another
//! file at its place is taken in its stead, and it has one writer.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use snarm_core::files::kind;

use super::ResultsMode;
use crate::files;

/// Bytes that are looked at to tell lines of JSON from other files.
const START: u64 = 64;

/// The open file, locked until it is closed.
pub(super) struct Log {
    file: File,
    identity: Option<(u64, u64)>,
    /// Whether the file ends amid a line.
    torn: bool,
}

impl Log {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When it cannot be written, is no file, another writer has it, or it holds something else than lines of JSON;
    /// with [`ResultsMode::Fail`] when it is there.
    pub(super) fn open(location: &Path, mode: ResultsMode) -> io::Result<Self> {
        // Looked at first, as a pipe that is opened to be read and written has itself for a reader, and as a device may
        // do something when it is opened; and once more, as it may be another by then.
        if let Ok(found) = std::fs::metadata(location) {
            check_regular(&found)?;
        }
        let mut options = OpenOptions::new();
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
        options.append(true).read(true).custom_flags(flags);
        let file = match mode {
            ResultsMode::Fail => {
                options.create_new(true).open(location).map_err(|error| match error.kind() {
                    ErrorKind::AlreadyExists => {
                        io::Error::new(error.kind(), "results-mode=fail: expected no file, found one")
                    }
                    _ => error,
                })?
            }
            ResultsMode::Append | ResultsMode::Overwrite => options.create(true).open(location)?,
        };
        check_regular(&file.metadata()?)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let text = "expected no other writer, found that another element or process writes to it";
                return Err(io::Error::new(ErrorKind::ResourceBusy, text));
            }
            // Some network file systems know no locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let identity = files::identity(&file.metadata()?);
        let mut log = Self { file, identity, torn: false };
        log.look()?;
        if mode == ResultsMode::Overwrite {
            log.file.set_len(0)?;
            log.torn = false;
        }
        Ok(log)
    }

    /// Refuses a file of another kind, and finds out how it ends.
    fn look(&mut self) -> io::Result<()> {
        if self.file.metadata()?.len() == 0 {
            return Ok(());
        }
        let mut start = Vec::new();
        (&self.file).take(START).read_to_end(&mut start)?;
        let text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
        if start.first() != Some(&b'{') || !start.iter().all(text) {
            let text = "expected lines of JSON, found a file of another kind";
            return Err(io::Error::new(ErrorKind::InvalidData, text));
        }
        let mut byte = [0];
        self.file.seek(SeekFrom::End(-1))?;
        self.file.read_exact(&mut byte)?;
        self.torn = byte != *b"\n";
        Ok(())
    }

    /// Writes a line to the end of the file at `location`, which may be another than before.
    ///
    /// # Errors
    /// When the line is not written. What was written of it is taken back.
    pub(super) fn write(&mut self, location: &Path, line: &[u8]) -> io::Result<()> {
        let followed = self.follow(location);
        if self.torn && self.file.metadata()?.len() > 0 {
            self.append(b"\n")?;
        }
        self.torn = false;
        self.append(line)?;
        // The line is in the file that was there before.
        followed
    }

    /// Opens the file that has taken the place of the open one, if one has; where that fails the open one stays.
    fn follow(&mut self, location: &Path) -> io::Result<()> {
        let found = match std::fs::metadata(location) {
            Ok(found) => files::identity(&found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if self.identity.is_none() || self.identity == found {
            return Ok(());
        }
        *self = Self::open(location, ResultsMode::Append)?;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.file.write(&bytes[done..]) {
                Ok(0) => return self.take_back(done, ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.take_back(done, error),
            }
        }
        Ok(())
    }

    /// Removes the part of a line that was written before `error`.
    fn take_back(&mut self, written: usize, error: io::Error) -> io::Result<()> {
        if written > 0 {
            let length = self.file.metadata()?.len();
            self.torn = self.file.set_len(length.saturating_sub(written as u64)).is_err();
        }
        Err(error)
    }
}

/// Refuses a pipe, a device, a socket or a folder.
fn check_regular(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, format!("expected a file, found {}", kind(found))))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_takes_the_place_of_the_file_and_is_none_costs_lines_until_a_file_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let at: PathBuf = folder.path().join("run.jsonl");
        let moved = folder.path().join("away");
        let mut log = Log::open(&at, ResultsMode::Append).unwrap();
        log.write(&at, b"{1}\n").unwrap();
        fs::rename(&at, &moved).unwrap();
        let mut refused = |found: &str| {
            for _ in 0..2 {
                let error = log.write(&at, b"{2}\n").unwrap_err().to_string();
                assert_eq!(error, format!("expected a file, found {found}"));
            }
        };
        assert!(Command::new("mkfifo").arg(&at).status().unwrap().success());
        refused("a FIFO");
        fs::remove_file(&at).unwrap();
        let bound = UnixListener::bind(&at).unwrap();
        refused("a socket");
        drop(bound);
        fs::remove_file(&at).unwrap();
        fs::create_dir(&at).unwrap();
        refused("a folder");
        fs::remove_dir(&at).unwrap();
        std::os::unix::fs::symlink("/dev/null", &at).unwrap();
        refused("a device");
        fs::remove_file(&at).unwrap();
        log.write(&at, b"{3}\n").unwrap();
        assert_eq!(fs::read(&at).unwrap(), b"{3}\n");
    }
}
