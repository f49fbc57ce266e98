//! What lines are to be, as the hub says: bank, decoder, recipe and limits that somebody signed for each. A line takes each
//! such wish once, as a whole or not at all. What is changed at the station later stays, until the hub wants something new.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::kv;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::keys::{Key, Purpose, Signed};
use super::link::Link;
use super::objects::{self, Kind};
use super::places::{self, DESIRED};
use super::shared::{Refused, Station, by};
use crate::clock;
use crate::limited::Limited;
use crate::line::{self, Change, Line};
use crate::store::{Settings, Taken};

/// How often is looked where nothing was told: what failed is tried again.
const TICK: Duration = Duration::from_secs(30);

/// What is wished for in place of an object: what the configuration says.
const CONFIGURED: &str = "none";

/// What a line is to use. What it leaves out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Desired {
    pub(super) author: String,
    pub(super) station: String,
    pub(super) line: String,
    /// SHA-256 of the bank's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<String>,
    /// SHA-256 of the decoder's file, or `none` for the one of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) decoder: Option<String>,
    /// SHA-256 of the recipe's file, or `none` for what the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recipe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limits: Option<Limits>,
    pub(super) reason: String,
    /// When it was asked for, in milliseconds since 1970: of two the later one counts.
    pub(super) at: i64,
    /// When it has to have begun, in milliseconds since 1970, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<i64>,
}

/// Limits that are wished for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Score from which a frame is anomalous; that of the bank where there is none.
    pub threshold: Option<f64>,
    /// Score from which a frame is uncertain, below the other one.
    pub low: Option<f64>,
}

/// Says what a line is to use from now on.
///
/// # Errors
/// When it is nothing, or the hub does not take it.
pub(super) async fn put(link: &Link, key: &Key, wish: Desired) -> Result<()> {
    let desired = Desired { reason: line::check_reason(&wish.reason)?, at: clock::now(), ..wish };
    desired.check()?;
    let signed = serde_json::to_vec(&key.sign(Purpose::Desired, &desired)?)?;
    let bucket = places::values(&link.jetstream, DESIRED).await?;
    let put = bucket.put(places::key(&desired.station, &desired.line), signed.into()).await;
    put.context("the hub does not take it").map(drop)
}

impl Desired {
    fn check(&self) -> Result<()> {
        let objects = [&self.object, &self.decoder, &self.recipe];
        if objects.iter().all(|object| object.is_none()) && self.limits.is_none() {
            bail!("expected a bank, a decoder, a recipe or limits that are wanted, found none of them");
        }
        Ok(())
    }
}

/// Sees to it that lines are what they are to be, until it is dropped.
///
/// # Errors
/// When the connection is given up.
pub(super) async fn run(link: &Link, station: &Station) -> Result<()> {
    // Whoever puts a value publishes to its subject: that wakes us, and the value is read then.
    let subject = format!("$KV.{DESIRED}.{}.*", station.config.name);
    let mut told = link.client.subscribe(subject).await.context("cannot subscribe")?;
    let refusals = Limited::default();
    loop {
        link.up().await;
        for line in station.lines() {
            if let Err(error) = converge(link, station, line).await {
                refusals.warn(format!("{}: what the hub wants cannot be taken yet: {error:#}", line.name()));
            }
        }
        tokio::select! {
            message = told.next() => drop(message.context("the connection to the hub is over")?),
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

/// Takes what the hub wants of a line, where it is new.
async fn converge(link: &Link, station: &Station, line: &Arc<Line>) -> Result<()> {
    let bucket = places::values(&link.jetstream, DESIRED).await?;
    let entry = bucket.entry(places::key(&station.config.name, line.name())).await;
    let Some(entry) = entry.context("cannot read what the hub wants")? else { return Ok(()) };
    let known = line.ask(|line| line.store.taken_desired(line.name())).await?.unwrap_or_default();
    let revision = i64::try_from(entry.revision)?;
    if entry.operation != kv::Operation::Put || revision == known.revision {
        return Ok(());
    }
    let read = read(station, line, &entry.value, &known);
    let (known, author) = match &read {
        Ok(desired) => {
            let object = desired.object.clone().unwrap_or_default();
            let (decoder, recipe) = (desired.decoder.clone(), desired.recipe.clone());
            (Taken { at: desired.at, object, decoder, recipe, ..known }, by(&desired.author))
        }
        Err(_) => (known, "hub".to_owned()),
    };
    let done = match read {
        Ok(desired) => take(link, station, line, &desired).await,
        Err(error) => Err(Refused::because(&error)),
    };
    let (version, refusal) = match done {
        Ok(version) => (Some(version), None),
        Err(error) if error.is::<Refused>() => (None, Some(format!("{error:#}"))),
        Err(error) => return Err(error),
    };
    let taken = Taken { revision, version, refusal, ..known };
    line.ask(move |line| line.store.take_desired(line.name(), &taken, &author)).await
}

fn read(station: &Station, line: &Line, value: &[u8], known: &Taken) -> Result<Desired> {
    let signed: Signed = serde_json::from_slice(value).context("expected a statement with a signature")?;
    let desired: Desired = station.trust.read(Purpose::Desired, &signed)?;
    if (desired.station.as_str(), desired.line.as_str()) != (&station.config.name, line.name()) {
        bail!(
            "expected the wish for {}, found that for {}",
            places::key(&station.config.name, line.name()),
            places::key(&desired.station, &desired.line)
        );
    }
    if desired.at <= known.at {
        bail!("expected a wish that is newer than the one before, found one of the time {}", desired.at);
    }
    if let Some(deadline) = desired.deadline.filter(|deadline| *deadline <= clock::now()) {
        bail!("deadline: expected one to come, found {deadline} at {}", clock::now());
    }
    desired.check()?;
    Ok(desired)
}

/// Has a line use what is wanted, unless it does. Returns the version of the bank in use.
async fn take(link: &Link, station: &Station, line: &Arc<Line>, desired: &Desired) -> Result<i64> {
    let running = line.ask(|line| line.store.running_bank(line.name())).await?;
    let running = running.context("expected a bank in use, found none yet")?.version;
    let mut settings = line.ask(|line| line.store.settings(line.name())).await?;
    let Settings { decoder, recipe } = &mut settings;
    // All of it is here before anything changes.
    for (kind, wanted, used) in
        [(Kind::Decoder, &desired.decoder, decoder), (Kind::Recipe, &desired.recipe, recipe)]
    {
        match wanted.as_deref() {
            None => continue,
            Some(CONFIGURED) => *used = None,
            Some(object) if used.as_deref() == Some(object) => {}
            Some(object) => {
                objects::keep(link, station, line, kind, object).await?;
                *used = Some(object.to_owned());
            }
        }
    }
    let version = match &desired.object {
        Some(object) => objects::version(link, station, line, object, &desired.reason).await?,
        None => running,
    };
    let limits = desired.limits.map(|Limits { threshold, low }| line::Limits { threshold, low });
    let change = Change { version: Some(version), settings, limits };
    let is_in_use = station.switch(line.at()).is_ok_and(|switch| switch.is_in_use(line));
    let changed = line::change(line, &change, is_in_use, &by(&desired.author), &desired.reason).await;
    changed.map(|()| version).map_err(|error| Refused::because(&error))
}
