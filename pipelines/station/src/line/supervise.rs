//! Keeps the pipeline of a line running.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::{mpsc, watch};

use super::child::{self, End, Order};
use super::lost::Lost;
use super::pairs::Pairs;
use super::shared::Line;
use super::state::Status;
use super::unstored::{Unstored, WAIT};
use super::{control, detector, hear, learn, prepare};
use crate::clock;
use crate::config::AtEnd;
use crate::secret;

/// Wait after the first failure; it doubles with each that follows.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A run of that length was no failure to start.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// A stream that ends sooner is started again as one that failed.
const SHORTEST_STREAM: Duration = Duration::from_secs(1);

/// Packets that may wait; a pipeline that sends more waits.
const WAITING: usize = 256;

/// Runs a line until it is to stop.
pub(super) async fn run(line: Arc<Line>, mut stop: watch::Receiver<bool>) {
    let (mut wait, mut left) = (FIRST_WAIT, Unstored::default());
    while !*stop.borrow() {
        let began = Instant::now();
        // A test of the source has it for some seconds.
        let held = tokio::select! {
            held = line.source.lock() => held,
            _ = stop.changed() => break,
        };
        let ended = match prepare::prepare(&line, &stop).await {
            Ok(()) => {
                learn::fulfil(&line, &stop).await;
                once(&line, stop.clone(), &mut left).await
            }
            Err(error) => Err(error),
        };
        drop(held);
        line.connect(None);
        if *stop.borrow() {
            break;
        }
        let reason = match ended {
            Ok(End::Stream) if line.config.at_end == AtEnd::Stop && !learn::is_wished(&line) => {
                set(&line, Status::Stopped, String::new());
                // Nothing else is left to do.
                let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
                store_until(&line, &mut left, stopped).await;
                break;
            }
            // Its orders ended: it is to begin anew.
            Ok(End::Asked) => continue,
            Ok(_) if began.elapsed() >= SHORTEST_STREAM => {
                wait = FIRST_WAIT;
                continue;
            }
            Ok(_) => "the stream ended as soon as it began".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if reason.contains(child::SHADOW) {
            control::give_up_shadow(&line, &secret::hidden(&reason)).await;
        }
        if began.elapsed() >= GOOD_RUN {
            wait = FIRST_WAIT;
        }
        tracing::warn!("{}: {reason}; starts again in {} s", line.name(), wait.as_secs());
        // Whoever looks on reads it.
        set(&line, Status::Waiting, secret::hidden(&reason));
        line.state().restarts += 1;
        let woken = line.wake.notified();
        let waited = async {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = woken => {}
                _ = stop.changed() => {}
            }
        };
        store_until(&line, &mut left, waited).await;
        wait = (2 * wait).min(LONGEST_WAIT);
    }
    try_to_store(&line, &mut left).await;
    let lost = Lost { parts: line.parts().unstored(), ..left.count() };
    line.lose(&lost);
    set(&line, Status::Stopped, String::new());
}

/// Waits for something. What is left is tried to be stored each second meanwhile.
async fn store_until(line: &Arc<Line>, left: &mut Unstored, ended: impl Future<Output = ()>) {
    let mut ended = pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => return,
            () = tokio::time::sleep(WAIT) => {}
        }
        let waits = line.state().unstored.is_some();
        if waits {
            try_to_store(line, left).await;
        }
    }
}

/// Tries once to store what is left.
async fn try_to_store(line: &Arc<Line>, left: &mut Unstored) {
    let (all, mut waiting) = (left.count(), std::mem::take(left));
    let tried = line.ask(move |line| {
        let stored = waiting.store(line);
        Ok((waiting, stored))
    });
    let stored = match tried.await {
        Ok((waiting, stored)) => {
            *left = waiting;
            stored
        }
        // Its task failed, and has taken all with it.
        Err(error) => {
            line.lose(&all);
            Err(error)
        }
    };
    line.say_stored(stored);
}

fn set(line: &Line, status: Status, detail: String) {
    let mut state = line.state();
    (state.status, state.detail) = (status, detail);
}

/// Runs the pipeline once. `left` is what could not be stored before, and afterwards.
async fn once(line: &Arc<Line>, stop: watch::Receiver<bool>, left: &mut Unstored) -> Result<End> {
    set(line, Status::Starting, String::new());
    let last = line.state().run;
    let begun =
        line.ask(move |line| Ok((line.store.begin_run(line.name(), last)?, line.store.shift(line.name())?)));
    let (run, shift) = begun.await?;
    {
        let mut state = line.state();
        state.starts += 1;
        state.begin_run(run);
    }
    line.state().shift = shift;
    line.state().shift.frames += left.count().frames;
    // What was open when the station was killed.
    line.parts().cut(clock::now());
    // With what is left of the run before. Where it cannot be stored now it waits.
    try_to_store(line, left).await;
    let (orders, to_child) = mpsc::channel(WAITING);
    // Before the store is asked: what is changed from here on reaches the pipeline as an order, or ends it.
    line.connect(Some(orders));
    let (bank, first, pairs) = line.ask(first_order).await?;
    let own = [("bank", bank), ("results", "-".to_owned()), ("sink", "fakesink".to_owned())];
    let own: BTreeMap<String, String> =
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let words = (line.host.words)(&line.config.pipeline, &line.config.variables, &own)
        .with_context(|| format!("line {:?}", line.name()))?;
    let (heard_by, heard) = mpsc::channel(WAITING);
    let listening = tokio::spawn(hear::listen(Arc::clone(line), heard, pairs, std::mem::take(left)));
    let ended = child::play(&line.host.player, &words, &first, to_child, heard_by, stop).await;
    *left = listening.await.context("a task of the station failed")?;
    ended
}

/// Where the bank is, what a pipeline is told before it starts, and what joins its results with those of its shadow.
fn first_order(line: &Line) -> Result<(String, Order, Option<Pairs>)> {
    let running = line.store.running_bank(line.name())?.context("expected a bank in use, found none")?;
    let file = line.store.bank_file(running.id).display().to_string();
    let limits = control::limits(line)?;
    let mut set = detector::properties(line)?;
    set.extend(limits.clone());
    set.insert("bank-location".to_owned(), file.clone());
    set.insert("source-id".to_owned(), line.at().to_owned());
    let (mut shadow, mut pairs) = (BTreeMap::new(), None);
    if let Some(bank) = line.store.shadow_bank(line.name())? {
        shadow = limits;
        shadow.insert("bank-location".to_owned(), line.store.bank_file(bank.id).display().to_string());
        pairs = Some(Pairs::new(bank.version));
    }
    Ok((file, Order { set, shadow, ..Order::default() }, pairs))
}
