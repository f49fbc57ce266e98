//! Reads codes from a device or a pipe, such as a barcode scanner at a serial line: a line of text each.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::OFlags;
use tokio::sync::{mpsc, watch};

use super::followed::{Read, follow};
use super::switch::{LONGEST_CODE, Switch};

/// Longest line that is taken, in bytes.
const LONGEST: usize = 4 * LONGEST_CODE + 2;

/// Least time between two lines: no scanner reads more, and what says something all the time takes no core.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes what a file says for codes of a line, until the station ends.
pub(crate) async fn listen(switch: Arc<Switch>, file: PathBuf, stop: watch::Receiver<bool>) {
    let read: Read<String> = |path, to| codes(open(path)?, to);
    let take = async |switch: &Switch, code: String| switch.hear(&code, false, "scanner").await.map(drop);
    follow("scanner", &switch, file, read, stop, take).await;
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
///
/// # Errors
/// When it cannot be read, and when it says what is no code.
fn codes(file: impl std::io::Read, to: &mpsc::Sender<String>) -> Result<bool> {
    let mut from = BufReader::new(file);
    loop {
        let mut line = Vec::new();
        let longest = LONGEST as u64 + 1;
        if std::io::Read::take(&mut from, longest).read_until(b'\n', &mut line).context("cannot read")? == 0 {
            return Ok(true);
        }
        if line.len() > LONGEST {
            bail!("expected lines of at most {LONGEST} bytes, found a longer one");
        }
        let text = String::from_utf8_lossy(&line);
        // Scanners put what is no text around their codes, as they are set up.
        let code = text.trim_matches(|c: char| c.is_control() || c.is_whitespace());
        if !code.is_empty() && to.blocking_send(code.to_owned()).is_err() {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::super::followed::WAITING;
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
    }

    #[test]
    fn what_says_no_lines_is_read_no_further() {
        let (to, mut from) = mpsc::channel(WAITING);
        let text = [b"4012\n", &[b'x'; 3000][..]].concat();
        for endless in [&mut std::io::repeat(0) as &mut dyn std::io::Read, &mut &text[..]] {
            let error = codes(endless, &to).unwrap_err().to_string();
            assert_eq!(error, "expected lines of at most 402 bytes, found a longer one");
        }
        drop(to);
        assert_eq!(from.blocking_recv().as_deref(), Some("4012"));
        assert_eq!(from.blocking_recv(), None);
    }

    #[test]
    fn lines_without_codes_take_no_core() {
        let began = std::time::Instant::now();
        assert!(read_codes(&[b'\n'; 20]).is_empty());
        assert!(began.elapsed() >= 20 * PAUSE);
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
