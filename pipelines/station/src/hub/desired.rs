//! What lines are to be, as the hub says: each has one bank that somebody signed for it. A line takes each such wish once.
//! What is changed at the station later stays, until the hub wants something new.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::kv;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::banks;
use super::keys::{Key, Purpose, Signed};
use super::link::Link;
use super::places::{self, DESIRED};
use super::shared::{Refused, Station, by};
use crate::clock;
use crate::line::{self, Line};
use crate::store::Taken;

/// How often is looked where nothing was told: what failed is tried again.
const TICK: Duration = Duration::from_secs(30);

/// The bank that a line is to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Desired {
    author: String,
    station: String,
    line: String,
    /// SHA-256 of the bank's file.
    object: String,
    reason: String,
    /// When it was asked for, in milliseconds since 1970: of two the later one counts.
    at: i64,
}

/// Says which bank a line is to use from now on.
///
/// # Errors
/// When the hub does not take it.
pub(super) async fn put(
    link: &Link,
    key: &Key,
    author: &str,
    (station, line): (&str, &str),
    object: &str,
    reason: &str,
) -> Result<()> {
    let desired = Desired {
        author: author.to_owned(),
        station: station.to_owned(),
        line: line.to_owned(),
        object: object.to_owned(),
        reason: line::check_reason(reason)?,
        at: clock::now(),
    };
    let signed = serde_json::to_vec(&key.sign(Purpose::Desired, &desired)?)?;
    let bucket = places::values(&link.jetstream, DESIRED).await?;
    let put = bucket.put(places::key(station, line), signed.into()).await;
    put.context("the hub does not take it").map(drop)
}

/// Sees to it that lines are what they are to be, until it is dropped.
///
/// # Errors
/// When the connection is given up.
pub(super) async fn run(link: &Link, station: &Station) -> Result<()> {
    // Whoever puts a value publishes to its subject: that wakes us, and the value is read then.
    let subject = format!("$KV.{DESIRED}.{}.*", station.config.name);
    let mut told = link.client.subscribe(subject).await.context("cannot subscribe")?;
    loop {
        link.up().await;
        for line in station.lines() {
            if let Err(error) = converge(link, station, line).await {
                tracing::warn!("{}: the hub wants another bank: {error:#}", line.name());
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
    let (at, object, author) = match &read {
        Ok(desired) => (desired.at, desired.object.clone(), by(&desired.author)),
        Err(_) => (known.at, known.object, "hub".to_owned()),
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
    let taken = Taken { revision, at, object, version, refusal };
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
    Ok(desired)
}

/// Takes a bank into use, unless it is, and returns its version.
async fn take(link: &Link, station: &Station, line: &Arc<Line>, desired: &Desired) -> Result<i64> {
    let running = line.ask(|line| line.store.running_bank(line.name())).await?;
    let running = running.context("expected a bank in use, found none yet")?;
    let version = banks::version(link, station, line, &desired.object, &desired.reason).await?;
    if running.version == version {
        return Ok(version);
    }
    let released = line::release(line, version, &by(&desired.author), &desired.reason).await;
    released.map(|()| version).map_err(|error| Refused::because(&error))
}
