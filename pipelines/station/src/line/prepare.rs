//! What a line needs before its first start: a bank, copied or learned, and for the simulated line its clips.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use snarm_core::bank::Bank;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};

use super::album::Album;
use super::child::{self, End, Heard, Order};
use super::shared::Line;
use super::state::{Learned, Status};
use crate::store::{BankVersion, NewBank};

/// Who made what the station makes by itself.
pub(super) const SELF: &str = "station";

/// Packets that may wait.
const WAITING: usize = 64;

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
        let (bank, reason) = match (&line.config.bank, &line.config.learn) {
            (Some(bank), _) => (bank.clone(), "copied at the first start"),
            (None, Some(_)) => (learn(line, stop.clone()).await?, "learned at the first start"),
            (None, None) => bail!("expected a bank to begin with, found none"),
        };
        line.ask(move |line| begin(line, &bank, reason)).await?;
    }
    line.ask(take_learned).await
}

fn tell(line: &Line, text: &str) {
    let mut state = line.state();
    (state.status, state.detail) = (Status::Preparing, text.to_owned());
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

/// Learns a bank from the source of the configuration. Returns where it is.
async fn learn(line: &Arc<Line>, mut stop: watch::Receiver<bool>) -> Result<std::path::PathBuf> {
    let learn = line.config.learn.as_ref().context("expected a source to learn from")?;
    let bank = line.store.folder().join(format!("learned-{}.bank", line.name()));
    // Left over from a start that was ended.
    let _ = std::fs::remove_file(&bank);
    let variables = [
        ("source", learn.source.clone()),
        ("bank", bank.display().to_string()),
        ("interval", learn.interval.to_string()),
        ("max-frames", learn.max_frames.to_string()),
    ];
    let variables: BTreeMap<String, String> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let words = (line.host.words)("learn", &variables, &BTreeMap::new())?;
    tell(line, "learns from good frames");
    let mut album = Album::begin(line.store.learned_folder(line.name()))?;
    let (heard_by, mut heard) = mpsc::channel(WAITING);
    let (_orders, orders) = mpsc::channel(1);
    let (done, is_done) = watch::channel(false);
    let (player, order) = (line.host.player.clone(), Order::default());
    let run =
        tokio::spawn(async move { child::play(&player, &words, &order, orders, heard_by, is_done).await });
    loop {
        tokio::select! {
            // A live source has no end: with the bank the run is over.
            heard = heard.recv() => match heard {
                Some(Heard::Message { name, .. }) if name == "snarm-bank-ready" => drop(done.send(true)),
                Some(Heard::Said(text)) => tell(line, &text),
                Some(Heard::Learned(time, jpeg)) => album.add(time, &jpeg)?,
                Some(_) => {}
                None => break,
            },
            _ = stop.changed() => drop(done.send(true)),
        }
    }
    let ended: End = run.await.context("a task of the station failed")??;
    tracing::debug!("{}: learning ended: {ended:?}", line.name());
    if *stop.borrow() {
        bail!("the station ends");
    }
    Ok(bank)
}

/// Makes a bank file the first version, in use.
fn begin(line: &Line, file: &Path, reason: &str) -> Result<()> {
    let bank = Bank::open(file)?;
    let new = NewBank::from_elsewhere(&bank, SELF, reason)?;
    let made = line.store.add_bank(line.name(), &new, |path| std::fs::copy(file, path).map(drop))?;
    line.store.release(line.name(), made.version, SELF, reason)
}

/// Takes what the bank in use says of good frames.
fn take_learned(line: &Line) -> Result<()> {
    let running = line.store.running_bank(line.name())?.context("expected a bank in use, found none")?;
    let learned = learned(line, &running)?;
    line.state().judged_by(learned);
    Ok(())
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
    })
}
