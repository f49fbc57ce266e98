//! Reads codes from a device or a pipe, such as a barcode scanner at a serial line: a line of text each.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::OFlags;
use tokio::sync::{mpsc, watch};

use super::switch::{LONGEST_CODE, Switch};

/// Time until a device that is gone is looked for again.
const WAIT: Duration = Duration::from_secs(2);

/// Codes that may wait.
const WAITING: usize = 16;

/// Longest line that is read, in bytes; the rest of it is the next.
const LONGEST: u64 = 4 * LONGEST_CODE as u64 + 2;

/// Takes what a file says for codes of a line, until the station ends.
pub(crate) async fn listen(switch: Arc<Switch>, file: PathBuf, mut stop: watch::Receiver<bool>) {
    let (said_by, mut said) = mpsc::channel(WAITING);
    let name = switch.name().to_owned();
    // Reading waits for as long as nobody scans, and cannot be ended: the thread ends with the process.
    let read = move || read(&name, &file, &said_by);
    if let Err(error) = std::thread::Builder::new().name("scanner".to_owned()).spawn(read) {
        return tracing::error!("{}: cannot read codes: {error}", switch.name());
    }
    loop {
        let code = tokio::select! {
            code = said.recv() => code,
            _ = stop.changed() => None,
        };
        let Some(code) = code else { return };
        if let Err(error) = switch.hear(&code, false, "scanner").await {
            tracing::warn!("{}: scanner: {error:#}", switch.name());
        }
    }
}

/// Reads for ever. What goes wrong is said when it is another thing than before.
fn read(line: &str, path: &Path, to: &mpsc::Sender<String>) {
    let mut before = String::new();
    loop {
        let ended = open(path).and_then(|file| codes(file, to));
        let said = match ended {
            Ok(true) => String::new(),
            // Nobody is there to hear of it any more.
            Ok(false) => return,
            Err(error) => format!("{error:#}"),
        };
        if said != before && !said.is_empty() {
            tracing::warn!("{line}: scanner: {said}; looks for it every {} s", WAIT.as_secs());
        }
        before = said;
        std::thread::sleep(WAIT);
    }
}

/// A terminal that is opened does not become the one of the station, whose end would end it.
fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let flags = i32::try_from(OFlags::NOCTTY.bits())?;
    options
        .read(true)
        .custom_flags(flags)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Hands codes on until the end of a file. Returns whether there is somebody who takes them.
fn codes(file: impl Read, to: &mpsc::Sender<String>) -> Result<bool> {
    let mut from = BufReader::new(file);
    loop {
        let mut line = Vec::new();
        if (&mut from).take(LONGEST).read_until(b'\n', &mut line).context("cannot read")? == 0 {
            return Ok(true);
        }
        let text = String::from_utf8_lossy(&line);
        // Scanners put what is no text around their codes, as they are set up.
        let code = text.trim_matches(|c: char| c.is_control() || c.is_whitespace());
        if !code.is_empty() && to.blocking_send(code.to_owned()).is_err() {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_codes(bytes: &[u8]) -> Vec<String> {
        let (to, mut from) = mpsc::channel(WAITING);
        assert!(codes(bytes, &to).unwrap());
        drop(to);
        std::iter::from_fn(|| from.blocking_recv()).collect()
    }

    #[test]
    fn each_line_is_a_code_without_what_is_around_it() {
        assert_eq!(read_codes(b"\x024012\x03\r\n\r\n  red \nlast"), ["4012", "red", "last"]);
        assert_eq!(read_codes(b"\xff1\n"), ["\u{fffd}1"]);
        // A line without an end fills no memory.
        assert!(read_codes(&[b'x'; 3000]).iter().all(|code| code.len() as u64 <= LONGEST));
    }

    #[test]
    fn nobody_who_listens_ends_it() {
        let (to, from) = mpsc::channel(1);
        drop(from);
        assert!(!codes(&b"a\n"[..], &to).unwrap());
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let error = format!("{:#}", open(Path::new("/nowhere/tty")).unwrap_err());
        assert!(error.contains("cannot open /nowhere/tty"), "{error}");
    }
}
