//! What a hub has a line use beside its bank: a decoder, properties of the detector, limits. What needs another start of the
//! pipeline is there when the pipeline runs with it; where it does not, what ran before is in use again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::control;
use super::prepare;
use super::shared::Line;
use super::state::Status;
use crate::store::Settings;

/// How long a pipeline may take to end, and to begin again with other settings.
const PATIENCE: Duration = Duration::from_secs(120);

/// A pipeline that does not fail for so long runs, though no frame has come yet, as of a camera that is triggered.
const SETTLED: Duration = Duration::from_secs(30);

/// Time between two looks whether it runs.
const TICK: Duration = Duration::from_millis(100);

/// Why what was in use before is in use again.
const BACK: &str = "goes back to what ran";

/// Limits of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Score from which a frame is anomalous; that of the bank where there is none.
    pub(crate) threshold: Option<f64>,
    /// Score from which a frame is uncertain.
    pub(crate) low: Option<f64>,
}

/// What a line is to use from now on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// Version of the bank; the one in use where there is none.
    pub(crate) version: Option<i64>,
    pub(crate) settings: Settings,
    /// Those that hold where there are none.
    pub(crate) limits: Option<Limits>,
}

/// Checks limits: scores, of which the lower one is the uncertain band's.
///
/// # Errors
/// When they are none.
pub(crate) fn check_limits(limits: Limits, of_bank: f64) -> Result<()> {
    for (name, limit) in [("threshold", limits.threshold), ("low", limits.low)] {
        if limit.is_some_and(|limit| !(0.0..=1.0).contains(&limit)) {
            bail!("{name}: expected a score of 0 to 1, found {}", limit.unwrap_or_default());
        }
    }
    let high = limits.threshold.unwrap_or(of_bank);
    match limits.low {
        Some(low) if low >= high => {
            bail!("low: expected a limit below that of alarms, {high:.3}, found {low:.3}")
        }
        _ => Ok(()),
    }
}

/// Has a line use something else. `runs` says whether it is the one that runs, or is a recipe that is not in use.
///
/// # Errors
/// When the pipeline does not run with it: then what was in use before is in use again.
pub(crate) async fn change(
    line: &Arc<Line>,
    change: &Change,
    runs: bool,
    author: &str,
    reason: &str,
) -> Result<()> {
    let wanted = change.version;
    let (before, running, of_bank) = line
        .ask(move |line| {
            let running = line.store.running_bank(line.name())?;
            let running = running.context("expected a bank in use, found none yet")?.version;
            let version = wanted.unwrap_or(running);
            let bank = line.store.banks(line.name())?.into_iter().find(|bank| bank.version == version);
            let bank = bank.with_context(|| format!("expected a version of this line, found {version}"))?;
            let of_bank = prepare::learned(line, &bank)?.threshold;
            Ok((line.store.settings(line.name())?, running, of_bank))
        })
        .await?;
    if let Some(limits) = change.limits {
        check_limits(limits, of_bank)?;
    }
    let version = change.version.filter(|version| *version != running);
    if before == change.settings {
        if let Some(version) = version {
            control::release(line, version, author, reason).await?;
        }
    } else {
        let _alone = line.making.lock().await;
        take(line, &change.settings, version, author, reason).await?;
        if runs && let Err(error) = starts(line).await {
            let back = version.map(|_| running);
            take(line, &before, back, prepare::SELF, BACK).await?;
            line.ask(|line| line.store.forget_objects()).await?;
            restart(line);
            return Err(error.context("the pipeline does not run with it"));
        }
        line.ask(|line| line.store.forget_objects()).await?;
    }
    match change.limits {
        Some(limits) => control::set_limits(line, limits.threshold, limits.low, author, reason).await,
        None => Ok(()),
    }
}

/// Takes down what is in use from the next start on.
async fn take(
    line: &Arc<Line>,
    settings: &Settings,
    version: Option<i64>,
    author: &str,
    reason: &str,
) -> Result<()> {
    let (settings, author, reason) = (settings.clone(), author.to_owned(), reason.to_owned());
    line.ask(move |line| {
        line.store.set_settings(line.name(), &settings, &author, &reason)?;
        if let Some(version) = version {
            line.store.release(line.name(), version, &author, &reason)?;
        }
        prepare::know(line)
    })
    .await
}

fn restart(line: &Line) {
    line.connect(None);
    line.wake.notify_waiters();
}

/// Starts the pipeline again, and waits until it runs.
async fn starts(line: &Line) -> Result<()> {
    let before = line.state().starts;
    restart(line);
    let (began, mut started) = (Instant::now(), None);
    loop {
        let (starts, status, detail) = {
            let state = line.state();
            (state.starts, state.status, state.detail.clone())
        };
        if starts > before {
            let started = *started.get_or_insert_with(Instant::now);
            match status {
                Status::Running => return Ok(()),
                Status::Waiting => bail!("{detail}"),
                Status::Stopped => bail!("its stream is over"),
                Status::Starting if started.elapsed() > SETTLED => return Ok(()),
                Status::Preparing | Status::Starting => {}
            }
        } else if status == Status::Stopped {
            // It begins with them when it is started again.
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("it does not run within {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_scores_in_order() {
        let limits = |threshold, low| Limits { threshold, low };
        assert!(check_limits(limits(Some(0.6), Some(0.5)), 0.5).is_ok());
        assert!(check_limits(limits(None, None), 0.5).is_ok());
        for (threshold, low) in
            [(Some(1.1), None), (Some(f64::NAN), None), (Some(0.5), Some(0.5)), (None, Some(0.6))]
        {
            assert!(check_limits(limits(threshold, low), 0.5).is_err(), "{threshold:?} {low:?}");
        }
    }
}
