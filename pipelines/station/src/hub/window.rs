//! What pages see of a hub, and the commands that they pass on, which people signed elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::{Request, RequestErrorKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::commands::Command;
use super::keys::Signed;
use super::link::Link;
use super::places::{self, Stream};
use super::{actual, streams};
use crate::clock;

/// Rejects, events and commands that are shown, of each.
const SHOWN: usize = 20;

/// Longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(300);

/// A view of the hub, while there is a connection.
#[derive(Default)]
pub(crate) struct Window(Mutex<Option<Link>>);

/// What the hub has of a station.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Seen {
    /// What its lines are, as they told last.
    #[schema(value_type = [Object])]
    lines: Vec<Value>,
    /// Its last finds and parts with an alarm, the newest first.
    #[schema(value_type = [Object])]
    rejects: Vec<Value>,
    /// Who did what, and what lines do, the newest first.
    #[schema(value_type = [Object])]
    events: Vec<Value>,
    /// The last commands with their answers, the newest first.
    #[schema(value_type = [Object])]
    commands: Vec<Value>,
}

impl Window {
    pub(super) fn open(&self, link: Link) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
    }

    fn link(&self) -> Result<Link> {
        let link = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        link.filter(Link::is_up).context("the hub is away")
    }

    /// What all lines of all stations are, as they told last.
    ///
    /// # Errors
    /// When the hub is away, or does not say.
    pub(crate) async fn states(&self) -> Result<Vec<Value>> {
        actual::all(&self.link()?.jetstream).await
    }

    /// What the hub has of a station. Nothing where no line of that name has told anything.
    ///
    /// # Errors
    /// As [`Self::states`].
    pub(crate) async fn station(&self, name: &str) -> Result<Option<Seen>> {
        let link = self.link()?;
        let mut lines = actual::all(&link.jetstream).await?;
        lines.retain(|line| line["station"] == name);
        // A name that no station has is no part of a subject.
        if lines.is_empty() {
            return Ok(None);
        }
        let is_reject = |message: &Value| message["verdict"] == "anomalous";
        let of = |kind: &str| format!("{}.{name}.*.{kind}", Stream::Results.root());
        let last = async |of: Stream, subject: &str, is_wanted: fn(&Value) -> bool| {
            streams::last(&link.jetstream, of, subject, SHOWN, is_wanted).await
        };
        let mut rejects = last(Stream::Results, &of("find"), is_reject).await?;
        rejects.extend(last(Stream::Results, &of("part"), is_reject).await?);
        rejects.sort_by_key(|message| std::cmp::Reverse(message["id"].as_i64()));
        rejects.truncate(SHOWN);
        let is_event = |message: &Value| message["command"].is_null();
        let events = last(Stream::Events, &Stream::Events.subjects(name), is_event).await?;
        let commands = format!("{}.{name}.command", Stream::Events.root());
        let commands = last(Stream::Events, &commands, |_| true).await?;
        Ok(Some(Seen { lines, rejects, events, commands }))
    }

    /// Passes a command on that somebody signed, and returns the answer of the station, JSON.
    ///
    /// # Errors
    /// When the hub is away, the command is none for that station, or no answer comes.
    pub(crate) async fn ask(&self, station: &str, signed: &Signed) -> Result<Value> {
        let command = Command::unread(signed)?;
        if command.station != station {
            bail!("expected a command for {station}, found one for {}", command.station);
        }
        let link = self.link()?;
        let left = u64::try_from(command.deadline.saturating_sub(clock::now())).unwrap_or_default();
        // One that is too late is answered so by the station.
        let patience = Duration::from_millis(left).clamp(Duration::from_secs(1), LONGEST);
        let request = Request::new().payload(serde_json::to_vec(signed)?.into()).timeout(Some(patience));
        match link.client.send_request(places::commands(station), request).await {
            Ok(answer) => serde_json::from_slice(&answer.payload).context("expected an answer in JSON"),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                bail!("expected a station {station} at the hub, found none")
            }
            Err(error) => Err(error).with_context(|| format!("no answer to the command {}", command.id)),
        }
    }
}
