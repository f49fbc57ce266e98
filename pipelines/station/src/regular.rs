//! Files that people name, such as the configuration: regular ones, and small.

use std::fs::{FileType, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;

/// Largest such file, in bytes.
const LARGEST: u64 = 16 << 20;

/// Reads a regular file of at most 16 MiB.
///
/// # Errors
/// When it is missing, unreadable, larger, or a folder, a FIFO, a device or a socket: nothing waits for a writer.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let check = |found: FileType| match kind(found) {
        "a file" => Ok(()),
        other => bail!("expected a file, found {other}"),
    };
    // Looked at first, as a device may do something when it is opened; and once more, as it may be another by then.
    check(std::fs::metadata(path)?.file_type())?;
    let flags = i32::try_from(OFlags::NONBLOCK.bits())?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    check(file.metadata()?.file_type())?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bail!("expected a file of at most {LARGEST} bytes, found a larger one");
    }
    Ok(bytes)
}

/// Reads a regular file of at most 16 MiB as text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).context("expected text in UTF-8, found other bytes")
}

/// What something is.
fn kind(found: FileType) -> &'static str {
    match found {
        found if found.is_file() => "a file",
        found if found.is_dir() => "a folder",
        found if found.is_fifo() => "a FIFO",
        found if found.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_or_too_large_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), rustix::fs::Mode::RWXU).unwrap();
        std::fs::File::create(path("large")).unwrap().set_len(LARGEST + 1).unwrap();
        std::fs::write(path("latin"), b"\xfc").unwrap();
        std::fs::write(path("text"), "a").unwrap();
        for (file, words) in [
            (path("fifo"), "expected a file, found a FIFO"),
            (dir.path().to_owned(), "expected a file, found a folder"),
            ("/dev/zero".into(), "expected a file, found a device"),
            (path("large"), "at most 16777216 bytes"),
            (path("latin"), "expected text in UTF-8"),
            (path("none"), "No such file"),
        ] {
            let error = format!("{:#}", read_text(&file).unwrap_err());
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(read_text(&path("text")).unwrap(), "a");
    }
}
