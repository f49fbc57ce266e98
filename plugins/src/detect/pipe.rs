//! A pipe or a device that takes lines. Nobody waits for its reader at start, and for one that takes nothing only for a
//! while.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::io::Errno;
use snarm_core::files;

/// Time in which a reader takes something, or lines are lost until it does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two tries to write to a full pipe.
const AGAIN: Duration = Duration::from_millis(5);

/// A pipe, with or without a reader, or a device.
pub(super) struct Pipe {
    /// Empty while nobody reads.
    file: Option<File>,
    /// The end of a line whose beginning was taken.
    rest: Vec<u8>,
    /// Whether the reader took nothing for as long as it is waited for.
    stuck: bool,
    patience: Duration,
}

impl Pipe {
    /// Opens the pipe or device at `location`; a pipe may have no reader yet.
    ///
    /// # Errors
    /// When something else is there, or it cannot be written.
    pub(super) fn open(location: &Path) -> io::Result<Self> {
        let file = open(location)?;
        Ok(Self { file, rest: Vec::new(), stuck: false, patience: PATIENCE })
    }

    /// Writes a line. Waits for a reader that is slow, until `hurry` is set.
    ///
    /// # Errors
    /// When the line is lost: there is no reader, it takes nothing, or the device fails. A line that was begun is ended
    /// with the next one. `Interrupted` when `hurry` was set.
    pub(super) fn write(&mut self, location: &Path, line: &[u8], hurry: &AtomicBool) -> io::Result<()> {
        if self.file.is_none() {
            self.file = open(location)?;
        }
        let Some(file) = &mut self.file else {
            let text = "expected a reader of the pipe, found none";
            return Err(io::Error::new(ErrorKind::NotConnected, text));
        };
        let before = self.rest.len();
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(line);
        let mut done = 0;
        let mut taken = Instant::now();
        while done < bytes.len() {
            match file.write(&bytes[done..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    done += written;
                    (taken, self.stuck) = (Instant::now(), false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let hurry = hurry.load(Ordering::SeqCst);
                    self.stuck |= taken.elapsed() >= self.patience;
                    if hurry || self.stuck {
                        return self.keep(bytes, done, before, hurry);
                    }
                    std::thread::sleep(AGAIN);
                }
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    // What is left inside is nobody's, and the next reader begins with a whole line.
                    self.file = None;
                    let text = "expected a reader of the pipe, found that it has left";
                    return Err(io::Error::new(ErrorKind::BrokenPipe, text));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Keeps of `bytes`, `before` of which are those of an older line, what completes a line that was begun.
    fn keep(&mut self, mut bytes: Vec<u8>, done: usize, before: usize, hurry: bool) -> io::Result<()> {
        let begun = done > before;
        if !begun {
            bytes.truncate(before);
        }
        self.rest = bytes.split_off(done);
        if begun {
            return Ok(());
        }
        if hurry {
            return Err(ErrorKind::Interrupted.into());
        }
        let text = "expected the reader of the pipe to take lines, found that it takes none";
        Err(io::Error::new(ErrorKind::TimedOut, text))
    }
}

/// Opens a pipe or a device for writing and waits for nobody; nothing where a pipe has no reader.
fn open(location: &Path) -> io::Result<Option<File>> {
    let check = |found: &std::fs::Metadata| {
        let kind = found.file_type();
        if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
            return Ok(());
        }
        let text = format!("expected a pipe or a device, found {}", files::kind(found));
        Err(io::Error::new(ErrorKind::InvalidInput, text))
    };
    // Looked at first, as a socket cannot be opened; and once more, as it may be another by then.
    let found = std::fs::metadata(location)?;
    check(&found)?;
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    match OpenOptions::new().write(true).custom_flags(flags).open(location) {
        Ok(file) => check(&file.metadata()?).map(|()| Some(file)),
        Err(error)
            if found.file_type().is_fifo() && error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::PathBuf;

    use super::*;

    /// What nobody hurries.
    static NO_HURRY: AtomicBool = AtomicBool::new(false);

    /// A pipe in a folder of its own.
    fn made() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("lines");
        assert!(std::process::Command::new("mkfifo").arg(&location).status().unwrap().success());
        (folder, location)
    }

    /// Opens it for reading, whether it has a writer or not.
    fn reader(location: &Path) -> File {
        let flags = OFlags::NONBLOCK.bits() as i32;
        OpenOptions::new().read(true).custom_flags(flags).open(location).unwrap()
    }

    fn take(reader: &mut File, most: usize) -> String {
        let mut bytes = vec![0; most];
        let read = reader.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[test]
    fn a_reader_may_come_late_leave_and_come_again() {
        let (_folder, location) = made();
        let mut pipe = Pipe::open(&location).unwrap();
        let mut write = |line: &[u8]| pipe.write(&location, line, &NO_HURRY).map_err(|error| error.kind());
        assert_eq!(write(b"1\n"), Err(ErrorKind::NotConnected));
        let mut first = reader(&location);
        assert_eq!(write(b"2\n"), Ok(()));
        assert_eq!(take(&mut first, 100), "2\n");
        assert_eq!(write(b"3\n"), Ok(()));
        drop(first);
        assert_eq!(write(b"4\n"), Err(ErrorKind::BrokenPipe));
        assert_eq!(write(b"5\n"), Err(ErrorKind::NotConnected));
        let mut second = reader(&location);
        assert_eq!(write(b"6\n"), Ok(()));
        assert_eq!(take(&mut second, 100), "6\n");
    }

    #[test]
    fn a_reader_that_takes_nothing_costs_lines_and_no_part_of_one() {
        let (_folder, location) = made();
        let mut pipe = Pipe::open(&location).unwrap();
        pipe.patience = Duration::from_millis(50);
        let mut reader = reader(&location);
        // Longer than what pipes take whole or not at all.
        let line = |n: u8| [vec![b'a' + n; 9999], b"\n".to_vec()].concat();
        let begin = Instant::now();
        let written: Vec<bool> =
            (0..20).map(|n| pipe.write(&location, &line(n), &NO_HURRY).is_ok()).collect();
        assert!(begin.elapsed() < Duration::from_secs(5), "each line waits anew");
        assert!(written[0] && !written[19], "{written:?}");
        let mut text = take(&mut reader, 200_000);
        pipe.write(&location, &line(20), &NO_HURRY).unwrap();
        text.push_str(&take(&mut reader, 200_000));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        assert!(lines.iter().all(|line| line.len() == 10_000), "a part of a line");
        let expected = written.iter().filter(|written| **written).count() + 1;
        assert_eq!(lines.len(), expected);
        assert!(
            lines.iter().all(|line| line[..9999].chars().all(|c| line.starts_with(c))),
            "two lines in one"
        );
    }

    #[test]
    fn a_slow_reader_loses_nothing_and_a_hurry_ends_the_wait() {
        let (_folder, location) = made();
        let mut pipe = Pipe::open(&location).unwrap();
        let mut reader = reader(&location);
        let line = [vec![b'a'; 999], b"\n".to_vec()].concat();
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| {
                let mut lines = 0;
                while lines < 200 {
                    std::thread::sleep(Duration::from_millis(2));
                    let mut bytes = [0; 4096];
                    match reader.read(&mut bytes) {
                        Ok(read) => lines += bytes[..read].iter().filter(|byte| **byte == b'\n').count(),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    }
                }
                lines
            });
            (0..200).for_each(|_| pipe.write(&location, &line, &NO_HURRY).unwrap());
            assert_eq!(slow.join().unwrap(), 200);
        });
        let hurry = AtomicBool::new(true);
        let full = std::iter::repeat_with(|| pipe.write(&location, &line, &hurry));
        let error = full.take(200).find_map(Result::err).expect("a full pipe");
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }

    #[test]
    fn what_takes_no_lines_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (location, found) in [(socket.as_path(), "found a socket"), (folder.path(), "found a folder")] {
            let error = Pipe::open(location).err().expect("refused").to_string();
            assert!(error.starts_with("expected a pipe or a device") && error.ends_with(found), "{error}");
        }
    }
}
