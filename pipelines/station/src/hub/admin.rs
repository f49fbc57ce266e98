//! What people do at a hub, by `snarm hub`.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::{Request, RequestErrorKind};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::commands::{Command, Task};
use super::desired::Desired;
pub use super::desired::Limits;
use super::keys::{Key, Purpose};
use super::link::Link;
use super::objects::Kind;
use super::places::{self, PICTURES};
use super::simulate::{self, Measured, Simulation};
use super::{actual, desired, objects, streams};
use crate::config::Hub;
use crate::{clock, secret};

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Makes a key and writes it to a file that only its owner reads. Returns the public key, as `hub.trust` has it.
///
/// # Errors
/// When there is such a file, or it cannot be written.
pub fn make_key(file: &Path) -> Result<String> {
    Key::make(file)
}

/// Somebody at a hub.
pub struct Person {
    hub: Hub,
    key: Option<Key>,
}

/// What a line is to use. What it leaves out stays as it is.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Name of the station.
    pub station: &'a str,
    /// Name of its line.
    pub line: &'a str,
    /// SHA-256 of the bank's file, which is among the objects of the hub.
    pub object: Option<&'a str>,
    /// SHA-256 of the decoder's file, likewise; `none` for that of the station's configuration.
    pub decoder: Option<&'a str>,
    /// SHA-256 of the recipe's file, likewise.
    pub recipe: Option<&'a str>,
    /// Limits.
    pub limits: Option<Limits>,
    /// How long it may take until it begins; a wish without one is kept until the next one.
    pub patience: Option<Duration>,
    /// Why.
    pub reason: &'a str,
}

/// A command.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Name of the station.
    pub station: &'a str,
    /// What is to be done, and what that needs, as in the API of the hub.
    pub task: Value,
    /// Number of the command; without one it gets one.
    pub id: Option<&'a str>,
    /// How long it may take until it begins and until its answer comes.
    pub patience: Duration,
}

impl Person {
    /// Who the table `[hub]` of a file names, with a key where something is to be signed.
    ///
    /// # Errors
    /// When a file cannot be read, or says something else.
    pub fn new(config: &Path, key: Option<&Path>) -> Result<Self> {
        Ok(Self { hub: Hub::read(config)?, key: key.map(Key::read).transpose()? })
    }

    /// Makes streams and buckets, or changes what there is.
    ///
    /// # Errors
    /// When the hub cannot be reached, or refuses.
    pub fn init(&self, replicas: usize, result_days: u64, event_days: u64) -> Result<()> {
        let days = |days: u64| Duration::from_secs(days * DAY);
        self.at_hub(async |link| {
            places::make(&link.jetstream, replicas, days(result_days), days(event_days)).await
        })
    }

    /// Signs a file and puts it into the hub. Returns its SHA-256.
    ///
    /// # Errors
    /// When it is something else, there is no key, or the hub does not take it.
    pub fn put(&self, kind: Kind, file: &Path) -> Result<String> {
        let key = self.key()?;
        self.at_hub(async |link| objects::put(link, key, &self.hub.name, kind, file).await)
    }

    /// Says what a line is to use from now on.
    ///
    /// # Errors
    /// When it is nothing, there is no key, or the hub does not take it.
    pub fn wish(&self, wish: &Wish<'_>) -> Result<()> {
        let key = self.key()?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let deadline = wish.patience.map(|patience| i64::try_from(patience.as_millis()));
        let desired = Desired {
            author: self.hub.name.clone(),
            station: wish.station.to_owned(),
            line: wish.line.to_owned(),
            object: owned(wish.object),
            decoder: owned(wish.decoder),
            recipe: owned(wish.recipe),
            limits: wish.limits,
            reason: wish.reason.to_owned(),
            at: 0,
            deadline: deadline.transpose()?.map(|patience| clock::now().saturating_add(patience)),
        };
        self.at_hub(async |link| desired::put(link, key, desired.clone()).await)
    }

    /// Sends a command and returns the answer, JSON.
    ///
    /// # Errors
    /// When there is no such command, no key, or no answer comes.
    pub fn ask(&self, asked: &Asked<'_>) -> Result<String> {
        let task: Task = serde_json::from_value(asked.task.clone()).context("expected a known command")?;
        let id = asked.id.map_or_else(secret::token, |id| Ok(id.to_owned()))?;
        let patience = i64::try_from(asked.patience.as_millis())?;
        let (author, station) = (self.hub.name.clone(), asked.station.to_owned());
        let command = Command { id, author, station, deadline: clock::now() + patience, task };
        let signed = self.key()?.sign(Purpose::Command, &command)?;
        let (subject, payload) = (places::commands(asked.station), serde_json::to_string(&signed)?);
        let answer = self.at_hub(async |link| {
            let request = Request::new().payload(payload.clone().into()).timeout(Some(asked.patience));
            match link.client.send_request(subject.clone(), request).await {
                Ok(answer) => Ok(answer.payload),
                Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                    bail!("expected a station {} at the hub, found none", asked.station)
                }
                Err(error) => Err(error).with_context(|| format!("no answer to the command {}", command.id)),
            }
        })?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// What all lines of all stations are, as they told last.
    ///
    /// # Errors
    /// When the hub does not say.
    pub fn states(&self) -> Result<Vec<Value>> {
        self.at_hub(async |link| actual::all(&link.jetstream).await)
    }

    /// Writes the messages of a stream that there are, `results` or `events`, one a line: of a station, or of all.
    ///
    /// # Errors
    /// When the hub does not send them, or they cannot be written.
    pub fn read(&self, results: bool, station: Option<&str>, to: &mut impl Write) -> Result<()> {
        let of = if results { places::Stream::Results } else { places::Stream::Events };
        let filter = station.map_or(format!("{}.>", of.root()), |station| of.subjects(station));
        self.at_hub(async |link| {
            let take = |payload: &[u8]| {
                to.write_all(payload)?;
                to.write_all(b"\n").map_err(Into::into)
            };
            streams::each(&link.jetstream, of, filter, DeliverPolicy::All, |_| true, take).await.map(drop)
        })
    }

    /// A picture that a command asked for, JPEG.
    ///
    /// # Errors
    /// When the hub has none of that SHA-256.
    pub fn picture(&self, sha256: &str) -> Result<Vec<u8>> {
        self.at_hub(async |link| {
            let bucket = places::objects(&link.jetstream, PICTURES).await?;
            let mut picture = bucket.get(sha256).await.context("expected a picture, found none")?;
            let mut bytes = Vec::new();
            picture.read_to_end(&mut bytes).await?;
            Ok(bytes)
        })
    }

    /// Runs simulated stations at the hub, which keep their stores in a folder.
    ///
    /// # Errors
    /// When the hub cannot be reached, or does not take all results.
    pub fn simulate(&self, simulation: &Simulation, folder: &Path) -> Result<Measured> {
        simulate::run(&self.hub, simulation, folder)
    }

    fn key(&self) -> Result<&Key> {
        self.key.as_ref().context("expected --key FILE, found none")
    }

    /// Does something at the hub, once it is reached.
    fn at_hub<T>(&self, work: impl AsyncFnOnce(&Link) -> Result<T>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let link = Link::dial(&self.hub).await?;
            link.soon().await?;
            let done = work(&link).await;
            // What was sent is on its way before the connection ends.
            let _ = link.client.flush().await;
            done
        })
    }
}
