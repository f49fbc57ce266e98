//! What waits in the queue goes into the streams of the hub: one message after the other, each removed from the disk when
//! the hub has stored it. So each is stored at least once, in order.
//!
//! None is stored twice. A message that is sent again within two minutes has the same `Nats-Msg-Id`, by which the hub
//! knows it. For all later ones the station asks, before it sends after any failure, for its last message in each stream,
//! and leaves out what is not newer.

use anyhow::{Context as _, Result};
use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use serde_json::{Value, json};

use super::link::Link;
use super::places::Stream;
use crate::output::Queue;
use crate::store::Waiting;

/// Name of the header with the number of a message.
const NUMBER: &str = "Nats-Msg-Id";

/// Who sends.
pub(super) struct Sender {
    /// Name of the station.
    pub(super) station: String,
    /// Tells the numbers of this store from those of another of the same name.
    pub(super) store: String,
}

impl Sender {
    /// What the hub knows a message by.
    pub(super) fn number(&self, id: i64) -> String {
        format!("{}.{}.{id}", self.station, self.store)
    }

    /// The number in the queue of a message that the hub has; 0 of one of another store.
    pub(super) fn id(&self, number: &str) -> i64 {
        let rest = number.strip_prefix(&format!("{}.{}.", self.station, self.store));
        rest.and_then(|id| id.parse().ok()).unwrap_or_default()
    }

    /// The message as it is sent: with its number and the station.
    fn payload(&self, id: i64, message: &Waiting) -> String {
        let mut payload: Value = serde_json::from_str(&message.payload).unwrap_or_default();
        payload["id"] = json!(id);
        payload["station"] = json!(self.station);
        payload.to_string()
    }
}

/// Sends what waits, until the station ends.
pub(super) async fn run(link: &Link, sender: &Sender, mut queue: Queue) {
    while !queue.is_over() {
        if !link.is_up() {
            let mut failures = link.failures();
            let why = link.failure().map_or_else(String::new, |why| format!(": {why}"));
            queue.health.set(Some(format!("the hub is away{why}")));
            tokio::select! {
                () = link.up() => {}
                // Another try has failed, for another reason maybe.
                Ok(()) = failures.changed() => continue,
                () = queue.over() => return,
            }
        }
        if let Err(error) = forward(link, sender, &mut queue).await {
            queue.failed(&error).await;
        }
    }
}

/// Sends until something fails, or the station ends.
async fn forward(link: &Link, sender: &Sender, queue: &mut Queue) -> Result<()> {
    let mut last = [0; 2];
    for (stream, last) in Stream::ALL.into_iter().zip(&mut last) {
        *last = last_of(link, sender, stream).await?;
    }
    queue.health.set(None);
    loop {
        let messages = tokio::select! {
            messages = queue.next() => messages,
            () = link.down() => return Ok(()),
        };
        if messages.is_empty() {
            return Ok(());
        }
        for (id, message) in messages {
            let stream = Stream::of(&message.topic);
            if last.get(stream as usize).is_none_or(|last| id > *last)
                && let Some(reason) = send(link, sender, stream, id, &message).await?
            {
                queue.set_aside(id, &reason).await;
                continue;
            }
            queue.taken(id).await;
        }
    }
}

/// The number in the queue of the last message of this station that a stream has.
async fn last_of(link: &Link, sender: &Sender, stream: Stream) -> Result<i64> {
    let handle = link.jetstream.get_stream_no_info(stream.name()).await?;
    let subject = stream.subjects(&sender.station);
    match handle.get_last_raw_message_by_subject(&subject).await {
        Ok(message) => Ok(message.headers.get(NUMBER).map_or(0, |number| sender.id(number.as_str()))),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(0),
        Err(error) => Err(error).with_context(|| {
            format!("cannot read the stream {}, which `snarm hub init` makes", stream.name())
        }),
    }
}

/// Sends a message and waits until it is stored. Returns why it never will be, where the hub says so.
pub(super) async fn send(
    link: &Link,
    sender: &Sender,
    stream: Stream,
    id: i64,
    message: &Waiting,
) -> Result<Option<String>> {
    let mut headers = HeaderMap::new();
    headers.insert(NUMBER, sender.number(id).as_str());
    let (subject, payload) = (stream.subject(&sender.station, &message.topic), sender.payload(id, message));
    let size = payload.len();
    let sent = link.jetstream.publish_with_headers(subject.clone(), headers, payload.into()).await;
    let stored = match sent {
        Ok(acknowledged) => acknowledged.await,
        Err(error) => Err(error),
    };
    match stored {
        Ok(_) => Ok(None),
        // It would be refused for ever, and all that wait behind it.
        Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
            Ok(Some(format!("{subject}: expected no more than the hub takes, found {size} bytes")))
        }
        Err(error) => Err(error).with_context(|| format!("the hub does not store {subject}")),
    }
}
