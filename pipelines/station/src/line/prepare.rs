//! What a line needs before its first start: a bank, copied or learned, and for the simulated line its clips.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use snarm_core::bank::Bank;
use snarm_core::files::Replacement;
use tokio::process::Command;
use tokio::sync::watch;

use super::learn::{learn_first, tell};
use super::shared::Line;
use super::state::Learned;
use crate::store::{BankVersion, NewBank};

/// Who made what the station makes by itself.
pub(super) const SELF: &str = "station";

/// Why the first version is in use.
const FIRST: &str = "the line begins with it";

/// Sees to it that the line has a bank in use.
///
/// # Errors
/// When it cannot be copied, or learned.
pub(super) async fn prepare(line: &Arc<Line>, stop: &watch::Receiver<bool>) -> Result<()> {
    if let Some(folder) = line.simulated.as_deref().filter(|folder| !folder.join("line.mkv").is_file()) {
        tell(line, "draws the simulated line");
        simulate(line, folder, stop.clone()).await?;
    }
    if line.ask(|line| line.store.running_bank(line.name())).await?.is_none() {
        match (&line.config.bank, &line.config.learn) {
            (Some(bank), _) => {
                let bank = bank.clone();
                line.ask(move |line| begin(line, &bank)).await?;
            }
            (None, Some(_)) => {
                let version = learn_first(line, stop).await?;
                line.ask(move |line| line.store.release(line.name(), version, SELF, FIRST)).await?;
            }
            (None, None) => bail!("expected a bank to begin with, found none"),
        }
    }
    line.ask(take_learned).await
}

async fn simulate(line: &Line, folder: &Path, mut stop: watch::Receiver<bool>) -> Result<()> {
    let made = folder.with_extension("new");
    // Left over from a start that was ended.
    let _ = tokio::fs::remove_dir_all(&made).await;
    let mut child = Command::new(&line.host.command);
    child.args(["simulate", "--as", "clip", "--out"]).arg(&made).kill_on_drop(true);
    tokio::select! {
        output = child.output() => succeeded(output?)?,
        _ = stop.changed() => bail!("the station ends"),
    }
    std::fs::rename(&made, folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// A folder for what is wanted for a while alone, removed when this is dropped, however that comes.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Of a path, at which a station that was killed may have left something.
    pub(super) async fn new(path: PathBuf) -> Self {
        let scratch = Self(path);
        scratch.empty().await;
        scratch
    }

    /// Removes what is there.
    pub(super) async fn empty(&self) {
        let _ = tokio::fs::remove_dir_all(&self.0).await;
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command that failed is an error with what it said last.
pub(super) fn succeeded(output: std::process::Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match said.lines().rfind(|line| !line.trim().is_empty()) {
        Some(last) => bail!("{last}"),
        None => bail!("snarm ended with {}", output.status),
    }
}

/// Copies a bank file as the first version, in use.
fn begin(line: &Line, file: &Path) -> Result<()> {
    let new = NewBank::from_elsewhere(&Bank::open(file)?, SELF, "copied at the first start")?;
    let copy = |path: &Path| {
        let mut new = Replacement::of(path)?;
        std::io::copy(&mut std::fs::File::open(file)?, &mut new)?;
        new.finish()
    };
    let made = line.store.add_bank(line.name(), &new, copy)?;
    line.store.release(line.name(), made.version, SELF, FIRST)
}

/// Takes what the bank in use says of good frames.
fn take_learned(line: &Line) -> Result<()> {
    let running = line.store.running_bank(line.name())?.context("expected a bank in use, found none")?;
    let learned = learned(line, &running)?;
    line.state().judged_by(learned);
    Ok(())
}

/// Takes what the bank in use says of good frames, where there is one. It is shown before the line runs as well.
pub(super) fn know(line: &Line) -> Result<()> {
    match line.store.running_bank(line.name())? {
        Some(_) => take_learned(line),
        None => Ok(()),
    }
}

/// What a bank says of good frames.
pub(super) fn learned(line: &Line, version: &BankVersion) -> Result<Learned> {
    let bank = Bank::open(&line.store.bank_file(version.id))?;
    // What the bank was calibrated with last is what the detector uses.
    let used = bank.calibrations().last().unwrap_or_else(|| bank.calibration());
    Ok(Learned {
        version: version.version,
        digest: version.digest.clone(),
        threshold: used.threshold,
        scores: used.scores.clone(),
        calibration: Some(used.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wanted_for_a_while_is_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("compare-caps");
        let fill = || {
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("results.jsonl"), "{}").unwrap();
        };
        fill();
        let scratch = Scratch::new(path.clone()).await;
        assert!(!path.exists(), "left over");
        fill();
        let failed = tokio::spawn(async move {
            let _scratch = scratch;
            panic!("a fault");
        });
        assert!(failed.await.is_err() && !path.exists());
    }
}
