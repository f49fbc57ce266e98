//! Where things are at a hub: subjects, streams, buckets. A person makes them once, by `snarm hub init`; stations make none.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::{self, kv, stream};

/// Stream of the results of all stations.
pub(super) const RESULTS: &str = "SNARM_RESULTS";

/// Stream of the events of all stations: who did what, and what lines do.
pub(super) const EVENTS: &str = "SNARM_EVENTS";

/// What each line is at this moment, by key `STATION.LINE`.
pub(super) const ACTUAL: &str = "SNARM_ACTUAL";

/// What each line is to be, likewise.
pub(super) const DESIRED: &str = "SNARM_DESIRED";

/// Banks, by the SHA-256 of their files.
pub(super) const OBJECTS: &str = "SNARM_OBJECTS";

/// Pictures that commands asked for, by their SHA-256.
pub(super) const PICTURES: &str = "SNARM_PICTURES";

/// Pictures that were asked for are kept so long.
const PICTURES_STAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the hub knows the number of a message again. What is sent again later is found by the last message.
const DUPLICATES: Duration = Duration::from_secs(120);

/// A stream of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Results,
    Events,
}

impl Stream {
    pub(super) const ALL: [Self; 2] = [Self::Results, Self::Events];

    /// The stream that a topic of the queue belongs to.
    pub(super) fn of(topic: &str) -> Self {
        match topic.rsplit('/').next() {
            Some("find" | "frame" | "part") => Self::Results,
            _ => Self::Events,
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Results => RESULTS,
            Self::Events => EVENTS,
        }
    }

    /// First part of its subjects.
    pub(super) fn root(self) -> &'static str {
        match self {
            Self::Results => "snarm.result",
            Self::Events => "snarm.event",
        }
    }

    /// The subjects of all that a station sends.
    pub(super) fn subjects(self, station: &str) -> String {
        format!("{}.{station}.>", self.root())
    }

    /// The subject of a topic of the queue, such as `snarm.result.STATION.LINE.find`.
    pub(super) fn subject(self, station: &str, topic: &str) -> String {
        format!("{}.{station}.{}", self.root(), topic.replace('/', "."))
    }
}

/// The subject of commands for a station.
pub(super) fn commands(station: &str) -> String {
    format!("snarm.command.{station}")
}

/// Key of a line.
pub(super) fn key(station: &str, line: &str) -> String {
    format!("{station}.{line}")
}

/// Opens a bucket of values.
///
/// # Errors
/// When there is none, or the hub does not say.
pub(super) async fn values(jetstream: &jetstream::Context, bucket: &str) -> Result<kv::Store> {
    let opened = jetstream.get_key_value(bucket).await;
    opened.with_context(|| format!("cannot open the bucket {bucket}, which `snarm hub init` makes"))
}

/// Opens a bucket of objects.
///
/// # Errors
/// As [`values`].
pub(super) async fn objects(jetstream: &jetstream::Context, bucket: &str) -> Result<ObjectStore> {
    let opened = jetstream.get_object_store(bucket).await;
    opened.with_context(|| format!("cannot open the objects {bucket}, which `snarm hub init` makes"))
}

/// Makes what a hub needs, or changes what there is.
///
/// # Errors
/// When the hub refuses.
pub(super) async fn make(
    jetstream: &jetstream::Context,
    replicas: usize,
    results: Duration,
    events: Duration,
) -> Result<()> {
    for (of, max_age) in [(Stream::Results, results), (Stream::Events, events)] {
        let config = stream::Config {
            name: of.name().to_owned(),
            subjects: vec![format!("{}.>", of.root())],
            max_age,
            duplicate_window: DUPLICATES,
            num_replicas: replicas,
            ..stream::Config::default()
        };
        jetstream.create_or_update_stream(config).await.with_context(|| of.name().to_owned())?;
    }
    for bucket in [ACTUAL, DESIRED] {
        // What a bucket is; to make it as such asks the account first, in words that servers before 2.10 do not answer.
        let config = stream::Config {
            name: format!("KV_{bucket}"),
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: 1,
            discard: stream::DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            num_replicas: replicas,
            ..stream::Config::default()
        };
        jetstream.create_or_update_stream(config).await.with_context(|| bucket.to_owned())?;
    }
    for (bucket, max_age) in [(OBJECTS, Duration::ZERO), (PICTURES, PICTURES_STAY)] {
        if jetstream.get_object_store(bucket).await.is_ok() {
            continue;
        }
        let config = object_store::Config {
            bucket: bucket.to_owned(),
            max_age,
            num_replicas: replicas,
            ..object_store::Config::default()
        };
        jetstream.create_object_store(config).await.with_context(|| bucket.to_owned())?;
    }
    Ok(())
}
