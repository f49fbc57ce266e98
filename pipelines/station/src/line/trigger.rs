//! A file that a part begins by, such as the value of a GPIO: whenever what it says goes from 0 to something else.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::{mpsc, watch};

use super::followed::follow;
use super::switch::Switch;

/// Time between two looks: a pulse that is at least twice as long is seen.
const TICK: Duration = Duration::from_millis(5);

/// Begins a part with each pulse of a file, until the station ends.
pub(crate) async fn watch(switch: Arc<Switch>, file: PathBuf, stop: watch::Receiver<bool>) {
    let take = async |switch: &Switch, (): ()| switch.now().ask(|line| line.begin_unnamed_part()).await;
    follow("trigger", &switch, file, pulses, stop, take).await;
}

/// Tells of pulses until nobody hears of them any more, which it returns.
///
/// # Errors
/// When the file cannot be read.
fn pulses(path: &Path, to: &mpsc::Sender<()>) -> Result<bool> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let mut was = is_on(&mut file).with_context(cannot)?;
    loop {
        std::thread::sleep(TICK);
        let is = is_on(&mut file).with_context(cannot)?;
        if is && !was && to.blocking_send(()).is_err() {
            return Ok(false);
        }
        was = is;
        if to.is_closed() {
            return Ok(false);
        }
    }
}

/// Whether a file says something else than 0, or nothing.
fn is_on(file: &mut (impl Read + Seek)) -> Result<bool> {
    let mut text = [0; 16];
    file.rewind()?;
    let length = file.read(&mut text)?;
    let said = text[..length].trim_ascii();
    Ok(!said.is_empty() && said != b"0")
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::super::followed::WAITING;
    use super::*;

    #[test]
    fn a_value_is_on_unless_it_is_0() {
        for (text, expected) in [("1\n", true), ("0\n", false), ("", false), ("\n", false), ("high", true)] {
            assert_eq!(is_on(&mut Cursor::new(text)).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn each_rise_is_one_pulse_and_what_was_on_before_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("value");
        std::fs::write(&path, "1\n").unwrap();
        let (to, mut from) = mpsc::channel(WAITING);
        let watched = path.clone();
        let watching = std::thread::Builder::new().spawn(move || pulses(&watched, &to)).unwrap();
        for value in ["0", "1", "0", "1"] {
            std::thread::sleep(4 * TICK);
            // In place, as a driver does it.
            let mut file = File::options().write(true).open(&path).unwrap();
            file.write_all(value.as_bytes()).unwrap();
        }
        assert_eq!((from.blocking_recv(), from.blocking_recv()), (Some(()), Some(())));
        std::thread::sleep(4 * TICK);
        assert!(from.try_recv().is_err());
        drop(from);
        assert!(watching.join().unwrap().is_ok());
        let error = format!("{:#}", pulses(Path::new("/nowhere"), &mpsc::channel(1).0).unwrap_err());
        assert!(error.contains("cannot read /nowhere"), "{error}");
    }
}
