//! A file of the machine that says something now and then, such as a device: it is read in a thread, and what it says is taken by
//! the line.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::{mpsc, watch};

use super::switch::Switch;
use crate::limited::Limited;

/// Time until a file that is gone, or at its end, is looked for again.
const WAIT: Duration = Duration::from_secs(2);

/// What may wait to be taken.
pub(super) const WAITING: usize = 16;

/// Hands on what a file says until its end. Returns whether there is somebody who takes it.
pub(super) type Read<T> = fn(&Path, &mpsc::Sender<T>) -> Result<bool>;

/// Takes what a file says until the station ends. `name` is what the file is.
pub(super) async fn follow<T: Send + 'static>(
    name: &'static str,
    switch: &Arc<Switch>,
    file: PathBuf,
    read: Read<T>,
    mut stop: watch::Receiver<bool>,
    take: impl AsyncFn(&Switch, T) -> Result<()>,
) {
    let (said_by, mut said) = mpsc::channel(WAITING);
    let (line, refusals) = (switch.name().to_owned(), Limited::default());
    // Reading may wait for as long as nothing is said, and cannot be ended: the thread ends with the process.
    let read = move || read_again(name, &line, &file, read, &said_by);
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(read) {
        return tracing::error!("{}: {name}: cannot be read: {error}", switch.name());
    }
    loop {
        let said = tokio::select! {
            said = said.recv() => said,
            _ = stop.changed() => None,
        };
        let Some(said) = said else { return };
        if let Err(error) = take(switch, said).await {
            refusals.warn(format!("{}: {name}: {error:#}", switch.name()));
        }
    }
}

/// Reads until nobody takes it any more. What goes wrong is said when it is another thing than before.
fn read_again<T>(name: impl Display, line: &str, file: &Path, read: Read<T>, to: &mpsc::Sender<T>) {
    let mut before = String::new();
    loop {
        let said = match read(file, to) {
            Ok(true) => String::new(),
            Ok(false) => return,
            Err(error) => format!("{error:#}"),
        };
        if said != before && !said.is_empty() {
            tracing::warn!("{line}: {name}: {said}; looks for it every {} s", WAIT.as_secs());
        }
        before = said;
        std::thread::sleep(WAIT);
    }
}
