//! Messages of the streams of a hub, read back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures_util::TryStreamExt;
use serde_json::Value;

use super::link::PATIENCE;
use super::places::Stream;

/// Times back from now that are read one after the other until there are enough: so that few are, of streams of any length.
const BACK: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(24 * 60 * 60),
    Duration::from_secs(30 * 24 * 60 * 60),
];

/// A time that has more messages is not read, but the shortest one.
const MOST: u64 = 5_000;

/// Hands the messages of a subject on that there are, the oldest first. `is_wanted` says by their number whether they are read
/// at all. Returns whether they were.
///
/// # Errors
/// When the hub does not send them, or `take` fails.
pub(super) async fn each(
    jetstream: &jetstream::Context,
    of: Stream,
    subject: String,
    from: DeliverPolicy,
    is_wanted: impl FnOnce(u64) -> bool,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<bool> {
    let stream: jetstream::stream::Stream = jetstream
        .get_stream(of.name())
        .await
        .with_context(|| format!("cannot read the stream {}, which `snarm hub init` makes", of.name()))?;
    let consumer = stream
        .create_consumer(pull::OrderedConfig {
            filter_subject: subject,
            deliver_policy: from,
            ..pull::OrderedConfig::default()
        })
        .await?;
    let there = consumer.cached_info().num_pending;
    if !is_wanted(there) {
        return Ok(false);
    }
    if there == 0 {
        return Ok(true);
    }
    let mut messages = consumer.messages().await?;
    loop {
        let next = tokio::time::timeout(PATIENCE, messages.try_next()).await;
        let Some(message) = next.context("the hub sends nothing more of a stream")?? else { break };
        take(&message.payload)?;
        let left = message.info().map_err(|error| anyhow!("{error}"))?.pending;
        if left == 0 {
            break;
        }
    }
    Ok(true)
}

/// The last messages of a subject that are wanted, the newest first.
///
/// # Errors
/// When the hub does not send them.
pub(super) async fn last(
    jetstream: &jetstream::Context,
    of: Stream,
    subject: &str,
    most: usize,
    is_wanted: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>> {
    let (mut found, mut known) = (Vec::new(), 0);
    for (at, back) in BACK.into_iter().enumerate() {
        let start = SystemTime::now().checked_sub(back).unwrap_or(UNIX_EPOCH);
        let nanoseconds = i128::try_from(start.duration_since(UNIX_EPOCH)?.as_nanos())?;
        let start_time = async_nats::datetime::from_nanos(nanoseconds).map_err(|error| anyhow!("{error}"))?;
        let (mut count, mut kept) = (0, Vec::new());
        let was_read = each(
            jetstream,
            of,
            subject.to_owned(),
            DeliverPolicy::ByStartTime { start_time },
            |there| {
                count = there;
                there > known && (there <= MOST || at == 0)
            },
            |payload| {
                // What is no JSON is nothing that a station sent.
                kept.extend(serde_json::from_slice(payload).ok().filter(&is_wanted));
                Ok(())
            },
        );
        if was_read.await? {
            found = kept;
        }
        if found.len() >= most || count > MOST {
            break;
        }
        known = count;
    }
    found.reverse();
    found.truncate(most);
    Ok(found)
}
