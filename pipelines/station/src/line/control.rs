//! What people change while a line runs: its limits, its bank, the shadow beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use snarm_core::bank::Bank;
use snarm_core::results::{self, Record};
use tokio::process::Command;

use super::child::Order;
use super::detector;
use super::prepare::{SELF, Scratch, learned, succeeded};
use super::shared::Line;
use crate::store::{BankVersion, Find, Judgement, NewBank, Picture, Rescored, Store};

/// How long a pipeline may take to load a bank.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// Most judged finds of each kind that a candidate is tried with: the newest.
const TRIED: usize = 100;

/// The limits of a line as properties of its detector.
pub(super) fn limits(line: &Line) -> Result<BTreeMap<String, String>> {
    let now = line.store.limits(line.name(), 1)?.into_iter().next().unwrap_or_default();
    let shown = |limit: Option<f64>| limit.unwrap_or(results::NONE).to_string();
    Ok([("threshold", shown(now.threshold)), ("threshold-low", shown(now.low))]
        .map(|(name, value)| (name.to_owned(), value))
        .into())
}

/// Sets limits from now on.
pub(crate) async fn set_limits(
    line: &Arc<Line>,
    threshold: Option<f64>,
    low: Option<f64>,
    author: &str,
    reason: &str,
) -> Result<()> {
    let (author, reason) = (author.to_owned(), reason.to_owned());
    let set = line
        .ask(move |line| {
            line.store.set_limits(line.name(), threshold, low, &author, &reason)?;
            limits(line)
        })
        .await?;
    // Without a pipeline the next one begins with them.
    line.order(Order { shadow: set.clone(), set, ..Order::default() }).await;
    Ok(())
}

/// A reason without white space around it.
///
/// # Errors
/// When it is too short or too long.
pub(crate) fn check_reason(reason: &str) -> Result<String> {
    let reason = reason.trim();
    let length = reason.chars().count();
    if !(3..=LONGEST_REASON).contains(&length) {
        bail!("reason: expected 3 to {LONGEST_REASON} characters, found {length}");
    }
    Ok(reason.to_owned())
}

/// Takes the version into use that was in use before.
///
/// # Errors
/// When there is none, and as [`release`].
pub(crate) async fn roll_back(line: &Arc<Line>, author: &str, reason: &str) -> Result<()> {
    let before = line.ask(|line| line.store.bank_before(line.name())).await?;
    let version = before.context("expected a version that was in use before, found none")?;
    release(line, version, author, &format!("roll back: {reason}")).await
}

/// Takes a version into use, and says so when the pipeline has it.
///
/// # Errors
/// When there is no such version, or the pipeline does not take it; then the one before stays in use.
pub(crate) async fn release(line: &Arc<Line>, version: i64, author: &str, reason: &str) -> Result<()> {
    let _alone = line.making.lock().await;
    let (bank, learned) = line
        .ask(move |line| {
            let banks = line.store.banks(line.name())?;
            let bank = banks.into_iter().find(|bank| bank.version == version);
            let bank = bank.with_context(|| format!("expected a version of this line, found {version}"))?;
            let learned = learned(line, &bank)?;
            Ok((bank, learned))
        })
        .await?;
    let file = line.store.bank_file(bank.id);
    let mut loaded = line.loaded.subscribe();
    loaded.mark_unchanged();
    let set = [("bank-location".to_owned(), file.display().to_string())].into();
    if line.order(Order { set, ..Order::default() }).await {
        let taken = tokio::time::timeout(PATIENCE, async {
            loop {
                loaded.changed().await.context("the line has ended")?;
                match &*loaded.borrow_and_update() {
                    Ok(digest) if *digest == bank.digest => return Ok(()),
                    Ok(_) => {}
                    Err(reason) => bail!("the pipeline keeps its bank: {reason}"),
                }
            }
        });
        let late = || bail!("the pipeline did not load the bank within {} s", PATIENCE.as_secs());
        if let Err(reason) = taken.await.unwrap_or_else(|_| late()) {
            // Whatever it has by now, it goes on with the one that the store says.
            let set = line.ask(|line| line.store.running_bank(line.name())).await?.map(|bank| {
                let file = line.store.bank_file(bank.id).display().to_string();
                [("bank-location".to_owned(), file)].into()
            });
            line.order(Order { set: set.unwrap_or_default(), ..Order::default() }).await;
            return Err(reason);
        }
    }
    let (author, reason) = (author.to_owned(), reason.to_owned());
    let has_shadow = line.ask(move |line| {
        line.store.release(line.name(), version, &author, &reason)?;
        Ok(line.store.shadow_bank(line.name())?.is_some())
    });
    if !has_shadow.await? {
        rest_shadow(line).await;
    }
    line.state().judged_by(learned);
    Ok(())
}

/// Lets a version judge the same frames as the bank in use, in place of the shadow that there is. The pipeline begins anew
/// with it.
///
/// # Errors
/// When there is no such version, it is the one in use, or a bank of the line is made or released at this time.
pub(crate) async fn set_shadow(line: &Arc<Line>, version: i64, author: &str, reason: &str) -> Result<()> {
    let Ok(_alone) = line.making.try_lock() else {
        bail!("a bank of this line is made or released at this moment")
    };
    let (author, reason) = (author.to_owned(), reason.to_owned());
    line.ask(move |line| line.store.set_shadow(line.name(), version, &author, &reason)).await?;
    // The next pipeline has the shadow, and both count frames from its start.
    line.connect(None);
    Ok(())
}

/// Starts the pipeline of a line anew, at once where it waits after a failure.
///
/// # Errors
/// When the store fails.
pub(crate) async fn restart(line: &Arc<Line>, author: &str) -> Result<()> {
    let author = author.to_owned();
    line.ask(move |line| line.store.note(&author, "restart", line.name())).await?;
    line.connect(None);
    line.wake.notify_waiters();
    Ok(())
}

/// Ends the shadow of a line, which goes on. False where there is none.
///
/// # Errors
/// When the store fails.
pub(crate) async fn end_shadow(line: &Arc<Line>, author: &str) -> Result<bool> {
    let author = author.to_owned();
    let ended = line.ask(move |line| line.store.end_shadow(line.name(), &author, "as asked")).await?;
    if ended {
        rest_shadow(line).await;
    }
    Ok(ended)
}

/// Ends a shadow that its line cannot run with.
pub(super) async fn give_up_shadow(line: &Arc<Line>, reason: &str) {
    let reason = reason.to_owned();
    if let Err(error) = line.ask(move |line| line.store.end_shadow(line.name(), SELF, &reason)).await {
        tracing::error!("{}: {error:#}", line.name());
    }
}

/// A shadow that has ended judges no more; it is gone with the next start of the pipeline.
async fn rest_shadow(line: &Line) {
    let shadow = [("enabled".to_owned(), "false".to_owned())].into();
    line.order(Order { shadow, ..Order::default() }).await;
}

/// Finds that were judged good, and that the bank in use has not learned.
pub(crate) fn to_learn(store: &Store, line: &str) -> Result<Vec<Find>> {
    let learned = match store.running_bank(line)? {
        Some(bank) => store.learned_finds(line, bank.version)?,
        None => Vec::new(),
    };
    let good = store.judged(line, Judgement::Good)?;
    Ok(good.into_iter().filter(|find| !learned.contains(&find.id)).collect())
}

/// Makes a candidate of the bank in use and the finds that were judged good. It is used by nobody until it is released.
///
/// # Errors
/// When nothing was judged good, the detector of the line has a crop of its own, another candidate is made at this time, or the
/// bank cannot be made.
pub(crate) async fn make_candidate(line: &Arc<Line>, author: &str, reason: &str) -> Result<BankVersion> {
    let Ok(_alone) = line.making.try_lock() else { bail!("a bank of this line is made at this moment") };
    let Ok(_only) = line.comparing.try_lock() else {
        bail!("two banks of this line are compared at this moment")
    };
    // Before it is made: it could not be tried.
    line.ask(detector::options).await?;
    let made = line.store.folder().join(format!("candidate-{}.bank", line.name()));
    let (parent, good, capacity) = line
        .ask({
            let made = made.clone();
            move |line| begin(line, &made)
        })
        .await?;
    let pictures: Vec<PathBuf> =
        good.iter().map(|find| line.store.picture_file(find.id, Picture::Frame)).collect();
    let mut learn = Command::new(&line.host.command);
    learn
        .arg("bank")
        .args(&pictures)
        .args(["--append", "--capacity", &capacity.to_string(), "--out"])
        .arg(&made);
    succeeded(learn.kill_on_drop(true).output().await?).context("cannot make the candidate")?;
    let report = rescore(line, &made).await?;
    let (author, reason) = (author.to_owned(), reason.to_owned());
    line.ask(move |line| {
        let bank = Bank::open(&made)?;
        let new = NewBank {
            parent: Some(parent.version),
            digest: bank.digest().to_owned(),
            frames: i64::try_from(bank.frames())?,
            added: i64::try_from(good.len())?,
            vectors: i64::try_from(bank.vectors())?,
            author,
            reason,
            finds: good.iter().map(|find| find.id).collect(),
            report,
            odd: Vec::new(),
        };
        line.store.add_bank(line.name(), &new, |path| std::fs::rename(&made, path))
    })
    .await
}

/// Copies the bank in use to where the candidate is made. Returns its version, what is to be learned, and how many
/// descriptors it has.
fn begin(line: &Line, made: &Path) -> Result<(BankVersion, Vec<Find>, usize)> {
    let parent = line.store.running_bank(line.name())?.context("expected a bank in use, found none")?;
    let good = to_learn(&line.store, line.name())?;
    if good.is_empty() {
        bail!("expected finds that were judged good and are not in the bank yet, found none");
    }
    std::fs::copy(line.store.bank_file(parent.id), made).context("cannot copy the bank")?;
    let capacity = Bank::open(made)?.vectors().max(1);
    Ok((parent, good, capacity))
}

/// Scores what was judged with a bank.
pub(super) async fn rescore(line: &Arc<Line>, bank: &Path) -> Result<Vec<Rescored>> {
    let (judged, options) = line
        .ask(|line| {
            let mut all = Vec::new();
            for judgement in [Judgement::Good, Judgement::Bad] {
                let mut found = line.store.judged(line.name(), judgement)?;
                all.extend(found.split_off(found.len().saturating_sub(TRIED)));
            }
            Ok((all, detector::options(line)?))
        })
        .await?;
    if judged.is_empty() {
        return Ok(Vec::new());
    }
    let out = Scratch::new(line.store.folder().join(format!("candidate-{}", line.name()))).await;
    let pictures: Vec<PathBuf> =
        judged.iter().map(|find| line.store.picture_file(find.id, Picture::Frame)).collect();
    let mut detect = Command::new(&line.host.command);
    detect
        .arg("detect")
        .args(&pictures)
        .args(options)
        .args(["--pictures", "none", "--bank"])
        .arg(bank)
        .arg("--out")
        .arg(out.path());
    succeeded(detect.kill_on_drop(true).output().await?).context("cannot try the candidate")?;
    let records: Vec<Record> = results::read(&out.path().join("results.jsonl"))?;
    if records.len() != judged.len() {
        bail!("expected results of {} pictures, found {}", judged.len(), records.len());
    }
    let rescored = |(find, record): (Find, Record)| {
        Some(Rescored { find: find.id, judgement: find.judgement?, before: find.score, after: record.score })
    };
    Ok(judged.into_iter().zip(records).filter_map(rescored).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_given() {
        assert_eq!(check_reason("  new lamp ").unwrap(), "new lamp");
        assert!(check_reason("  ").is_err() && check_reason(&"x".repeat(LONGEST_REASON + 1)).is_err());
    }
}
