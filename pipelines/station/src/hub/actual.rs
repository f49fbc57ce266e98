//! What lines are at this moment, for the hub: a value for each, and an event whenever what a line does changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_nats::jetstream::{self, kv};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::link::{Link, PATIENCE};
use super::places::{self, ACTUAL};
use super::shared::Station;
use crate::clock;
use crate::config::Hub;
use crate::line::{Line, Snapshot, Status};
use crate::store::{Settings, Taken, Waiting};

/// Time between two looks.
const TICK: Duration = Duration::from_secs(1);

/// What has not changed is told again after that time: whoever tells nothing for longer is away.
const AGAIN: Duration = Duration::from_secs(30);

/// What is told at once when it changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Now {
    station: String,
    line: String,
    title: String,
    /// Version of the program.
    version: &'static str,
    status: Status,
    detail: String,
    bank: Bank,
    /// Limit of alarms, and of the uncertain band; -1 where there is none.
    threshold: f64,
    low: f64,
    /// Of a line with recipes, which of them this is.
    recipe: Option<Recipe>,
    /// Version of the shadow.
    shadow: Option<i64>,
    /// Decoder and recipe that a hub had it use, by the SHA-256 of their files.
    objects: Settings,
    /// What the hub wanted last.
    desired: Option<Taken>,
}

/// A recipe, and those beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Recipe {
    /// Name of the line that it is a recipe of.
    of: String,
    name: String,
    /// Name of the recipe that is in use.
    in_use: String,
    /// Names of all recipes of the line, in the order of the configuration.
    all: Vec<String>,
}

impl Recipe {
    /// What a line is as a recipe; nothing where it is none.
    fn of(station: &Station, line: &Line) -> Option<Self> {
        let (name, switch) = (line.recipe()?, station.switch(line.at()).ok()?);
        Some(Self {
            of: switch.name().to_owned(),
            name: name.to_owned(),
            in_use: switch.now().recipe().unwrap_or_default().to_owned(),
            all: switch.recipes().into_iter().map(str::to_owned).collect(),
        })
    }
}

/// A bank in use.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Bank {
    /// Number of the version at the station.
    version: i64,
    /// Its digest, by which results name it.
    digest: String,
}

/// The value of a line.
#[derive(Debug, Serialize)]
struct Actual<'a> {
    #[serde(flatten)]
    now: &'a Now,
    /// When it was told, in milliseconds since 1970.
    time: i64,
    /// Frames, alarms, uncertain finds and parts of the shift.
    shift: &'a crate::store::Shift,
    /// Frames a second.
    fps: f64,
    /// Messages of the station that wait for the hub.
    waiting: u64,
}

/// Tells what lines are, until it is dropped.
pub(super) async fn run(link: &Link, station: &Station) {
    let mut told: BTreeMap<String, (Now, Instant)> = BTreeMap::new();
    let mut status: BTreeMap<String, Status> = BTreeMap::new();
    let mut bucket = None;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for line in station.lines() {
            let shown = line.snapshot(u64::MAX);
            if status.insert(line.name().to_owned(), shown.status) != Some(shown.status)
                && let Err(error) = tell_event(station, &shown).await
            {
                tracing::error!("{}: {error:#}", line.name());
            }
            if !link.is_up() {
                // Another hub may come back in its place.
                bucket = None;
                told.clear();
                continue;
            }
            if let Err(error) = tell(link, station, line, &shown, &mut bucket, &mut told).await {
                tracing::warn!("{}: the hub is not told: {error:#}", line.name());
                bucket = None;
            }
        }
    }
}

/// What all lines of all stations are, as they told last, sorted by their keys.
///
/// # Errors
/// When the hub does not say.
pub(super) async fn all(jetstream: &jetstream::Context) -> Result<Vec<Value>> {
    let bucket = places::values(jetstream, ACTUAL).await?;
    let mut found = BTreeMap::new();
    let state = bucket.status().await?.info.state;
    if state.messages == 0 {
        return Ok(Vec::new());
    }
    let mut entries = bucket.watch_with_history(">").await?;
    loop {
        let next = tokio::time::timeout(PATIENCE, entries.next()).await;
        let Some(entry) = next.context("the hub does not say what lines are")? else { break };
        let entry = entry?;
        if entry.operation == kv::Operation::Put {
            let value = serde_json::from_slice(&entry.value);
            found.insert(entry.key, value.context("expected the value of a line")?);
        }
        // They come by their revisions, and one that is told anew meanwhile has a higher one: how many the hub says are left is not
        // asked, by which the end was missed now and then.
        if entry.revision >= state.last_sequence {
            break;
        }
    }
    Ok(found.into_values().collect())
}

/// An event, which waits in the queue as results do.
async fn tell_event(station: &Station, shown: &Snapshot) -> Result<()> {
    let payload = json!({
        "line": shown.line, "time": clock::now(), "status": shown.status, "detail": shown.detail,
    });
    let message = Waiting {
        output: Hub::OUTPUT.to_owned(),
        topic: format!("{}/status", shown.line),
        payload: payload.to_string(),
    };
    station.store.ask(move |store| store.tell(&message)).await
}

/// Puts the value of a line, where it has changed or was told long ago.
async fn tell(
    link: &Link,
    station: &Station,
    line: &Arc<Line>,
    shown: &Snapshot,
    bucket: &mut Option<kv::Store>,
    told: &mut BTreeMap<String, (Now, Instant)>,
) -> Result<()> {
    let (shadow, objects, desired) = line
        .ask(|line| {
            let shadow = line.store.shadow_bank(line.name())?.map(|bank| bank.version);
            Ok((shadow, line.store.settings(line.name())?, line.store.taken_desired(line.name())?))
        })
        .await?;
    let now = Now {
        station: station.config.name.clone(),
        line: shown.line.clone(),
        title: shown.title.clone(),
        version: station.version,
        status: shown.status,
        detail: shown.detail.clone(),
        bank: Bank { version: shown.bank, digest: line.state().learned.digest.clone() },
        threshold: shown.threshold,
        low: shown.low,
        recipe: Recipe::of(station, line),
        shadow,
        objects,
        desired,
    };
    if told.get(line.name()).is_some_and(|(before, when)| *before == now && when.elapsed() < AGAIN) {
        return Ok(());
    }
    // Counting reads all that waits, so it is done for what is told alone.
    let waiting = station.store.ask(|store| store.waiting_count(Hub::OUTPUT, 0)).await?;
    let bucket = match bucket {
        Some(bucket) => bucket,
        none => none.insert(places::values(&link.jetstream, ACTUAL).await?),
    };
    let actual = Actual { now: &now, time: clock::now(), shift: &shown.shift, fps: shown.fps, waiting };
    let value = serde_json::to_vec(&actual)?;
    bucket.put(places::key(&station.config.name, line.name()), value.into()).await?;
    told.insert(line.name().to_owned(), (now, Instant::now()));
    Ok(())
}
