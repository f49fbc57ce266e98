//! Commands of the hub, by request and answer. Each has a number, an author who signed it, and a deadline. It is carried
//! out once: who asks again gets the first answer, and after its deadline no command begins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use async_nats::Message;
use async_nats::jetstream::object_store::ObjectMetadata;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use snarm_core::files::hex;
use tokio::sync::Semaphore;

use super::keys::{Purpose, Signed};
use super::link::Link;
use super::places::{self, PICTURES};
use super::shared::{Station, by};
use crate::clock;
use crate::config::Hub;
use crate::limited::Limited;
use crate::line::{self, Line};
use crate::store::{Known, Role, Waiting};

/// Latest deadline from now, in milliseconds: until then its number is remembered.
const LATEST: i64 = 24 * 60 * 60 * 1000;

/// Longest number of a command, in characters.
const LONGEST_ID: usize = 64;

/// Commands that are carried out at the same time.
const AT_ONCE: usize = 8;

/// How long a picture may take: a pipeline makes ten a second while somebody looks on.
const PICTURE: Duration = Duration::from_secs(10);

/// Time between two looks whether another request of the same command has its answer.
const TICK: Duration = Duration::from_millis(200);

/// Time between two entries of the audit list on commands that were refused: others are in the log alone.
const ENTRY: Duration = Duration::from_secs(10);

/// A command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Command {
    /// Number, which no other command ever has.
    pub(super) id: String,
    pub(super) author: String,
    /// Name of the station.
    pub(super) station: String,
    /// When it has to have begun, in milliseconds since 1970.
    pub(super) deadline: i64,
    #[serde(flatten)]
    pub(super) task: Task,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(super) enum Task {
    /// Says that it is there, and what its lines do.
    Test,
    /// The state of a line, and the next picture.
    Snapshot { line: String },
    /// A candidate of the bank in use and of what was judged good.
    Learn { line: String, reason: String },
    /// A version of what the line sees from now on, as on the page Learn: so many frames, or seconds.
    LearnAnew {
        line: String,
        reason: String,
        #[serde(default)]
        max_frames: u32,
        #[serde(default)]
        seconds: u32,
        #[serde(default = "one")]
        interval: u32,
        #[serde(default)]
        leave_out_odd_frames: bool,
    },
    /// A version judges beside the one in use.
    Shadow { line: String, version: i64, reason: String },
    /// The shadow ends.
    EndShadow { line: String },
    /// A version is taken into use.
    Release { line: String, version: i64, reason: String },
    /// The version before is taken into use.
    RollBack { line: String, reason: String },
    /// A recipe is taken into use.
    Recipe { line: String, recipe: String },
}

fn one() -> u32 {
    1
}

impl Command {
    /// A command as somebody signed it, whose signature the station looks at for which it is.
    pub(super) fn unread(signed: &Signed) -> Result<Self> {
        serde_json::from_str(&signed.statement).context("expected a known command")
    }
}

/// The role that a command needs at a station whose pages pass it on: that which the same needs on its own lines.
///
/// # Errors
/// When it is no command.
pub(crate) fn role(signed: &Signed) -> Result<Role> {
    Ok(match Command::unread(signed)?.task {
        Task::Test | Task::Snapshot { .. } | Task::Recipe { .. } => Role::Operator,
        Task::Learn { .. }
        | Task::LearnAnew { .. }
        | Task::Shadow { .. }
        | Task::EndShadow { .. }
        | Task::Release { .. }
        | Task::RollBack { .. } => Role::Engineer,
    })
}

/// Answers commands that were carried out when the station ended, which nobody will.
///
/// # Errors
/// When the store fails.
pub(super) async fn end_all(station: &Station) -> Result<()> {
    let unknown = anyhow!("not known: the station ended while it carried out the command");
    let answer = refusal(&unknown);
    station.store.ask(move |store| store.end_commands(&answer)).await
}

/// Answers commands, until it is dropped.
///
/// # Errors
/// When the connection is given up.
pub(super) async fn run(link: &Link, station: &Arc<Station>) -> Result<()> {
    let subscribed = link.client.subscribe(places::commands(&station.config.name)).await;
    let mut commands = subscribed.context("cannot subscribe to commands")?;
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut last_entry: Option<Instant> = None;
    let (refusals, unsent) = (Limited::default(), Limited::default());
    while let Some(message) = commands.next().await {
        let command = match read(station, &message) {
            Ok(command) => command,
            Err(error) => {
                refusals.warn(format!("hub: a command is refused: {error:#}"));
                if last_entry.is_none_or(|last| last.elapsed() >= ENTRY) {
                    last_entry = Some(Instant::now());
                    let text = format!("{error:#}");
                    station
                        .store
                        .ask(move |store| store.note("hub", "refuse", &format!("command: {text}")))
                        .await?;
                }
                reply(link, &unsent, &message, refusal(&error)).await;
                continue;
            }
        };
        let turn = Arc::clone(&turns).acquire_owned().await?;
        let (link, station, unsent) = (link.clone(), Arc::clone(station), unsent.clone());
        tokio::spawn(async move {
            let answer = answer(&link, &station, command).await;
            reply(&link, &unsent, &message, answer.unwrap_or_else(|error| refusal(&error))).await;
            drop(turn);
        });
    }
    bail!("the connection to the hub is over")
}

async fn reply(link: &Link, unsent: &Limited, message: &Message, answer: String) {
    let Some(to) = message.reply.clone() else { return };
    // Who does not hear it asks again, and gets the same.
    if let Err(error) = link.client.publish(to, answer.into()).await {
        unsent.warn(format!("hub: an answer is not sent: {error}"));
    }
}

fn refusal(error: &anyhow::Error) -> String {
    json!({ "ok": false, "error": format!("{error:#}"), "time": clock::now() }).to_string()
}

/// A command that a trusted author signed for this station.
fn read(station: &Station, message: &Message) -> Result<Command> {
    let signed: Signed = serde_json::from_slice(&message.payload).context("expected a signed statement")?;
    let command: Command = station.trust.read(Purpose::Command, &signed)?;
    if command.station != station.config.name {
        bail!("expected a command for {}, found one for {}", station.config.name, command.station);
    }
    let length = command.id.chars().count();
    if !(1..=LONGEST_ID).contains(&length) {
        bail!("id: expected 1 to {LONGEST_ID} characters, found {length}");
    }
    if command.deadline > clock::now() + LATEST {
        bail!("deadline: expected one within 24 h, found {} at {}", command.deadline, clock::now());
    }
    Ok(command)
}

/// Carries a command out, or finds the answer that it has. Who asks again may have signed another deadline.
async fn answer(link: &Link, station: &Station, command: Command) -> Result<String> {
    let what = serde_json::to_string(&(&command.author, &command.task))?;
    loop {
        let (id, what, deadline) = (command.id.clone(), what.clone(), command.deadline);
        match station.store.ask(move |store| store.begin_command(&id, &what, deadline)).await? {
            Known::New => break,
            Known::Answered(answer) => return Ok(answer),
            Known::Begun => tokio::time::sleep(TICK).await,
            Known::Other => {
                bail!("expected a number of its own, found {:?}, which another command has", command.id)
            }
            Known::Expired => {
                bail!("deadline: expected one to come, found {} at {}", command.deadline, clock::now())
            }
        }
    }
    let (id, told) = (command.id.clone(), command.clone());
    let answer = match carry_out(link, station, command).await {
        Ok(answer) => json!({ "ok": true, "answer": answer, "time": clock::now() }).to_string(),
        Err(error) => refusal(&error),
    };
    let stored = answer.clone();
    station.store.ask(move |store| store.end_command(&id, &stored)).await?;
    if let Err(error) = tell(station, &told, &answer).await {
        tracing::error!("hub: {error:#}");
    }
    Ok(answer)
}

/// Tells the hub of a command and its answer, as an event that waits in the queue as results do.
async fn tell(station: &Station, command: &Command, answer: &str) -> Result<()> {
    let answer: Value = serde_json::from_str(answer)?;
    let payload = json!({ "time": clock::now(), "command": command, "answer": answer });
    let (output, topic) = (Hub::OUTPUT.to_owned(), "command".to_owned());
    let message = Waiting { output, topic, payload: payload.to_string() };
    station.store.ask(move |store| store.tell(&message)).await
}

async fn carry_out(link: &Link, station: &Station, command: Command) -> Result<Value> {
    let who = by(&command.author);
    let done = || json!(null);
    match command.task {
        Task::Test => {
            let lines =
                station.lines().map(|line| json!({ "line": line.name(), "status": line.state().status }));
            Ok(json!({ "version": station.version, "lines": lines.collect::<Vec<_>>() }))
        }
        Task::Snapshot { line } => snapshot(link, station.line(&line)?).await,
        Task::Learn { line, reason } => {
            let made =
                line::make_candidate(station.line(&line)?, &who, &line::check_reason(&reason)?).await?;
            Ok(serde_json::to_value(made)?)
        }
        Task::LearnAnew { line, reason, max_frames, seconds, interval, leave_out_odd_frames } => {
            if max_frames == 0 && seconds == 0 {
                bail!("expected max_frames or seconds after which the bank is made, found neither");
            }
            let line = station.line(&line)?;
            if !station.switch(line.at())?.is_in_use(line) {
                bail!("expected the recipe in use, found {}: choose it before", line.name());
            }
            let reason = line::check_reason(&reason)?;
            let wish =
                line::Wish { author: who, reason, interval, max_frames, seconds, leave_out_odd_frames };
            wish.check()?;
            // The version is told by an event: an answer has not so much time.
            line::begin_learning(line, wish).await.map(|()| json!({ "begun": line.name() }))
        }
        Task::Shadow { line, version, reason } => {
            let reason = line::check_reason(&reason)?;
            line::set_shadow(station.line(&line)?, version, &who, &reason).await.map(|()| done())
        }
        Task::EndShadow { line } => match line::end_shadow(station.line(&line)?, &who).await? {
            true => Ok(done()),
            false => bail!("expected a shadow of {line}, found none"),
        },
        Task::Release { line, version, reason } => {
            let reason = line::check_reason(&reason)?;
            line::release(station.line(&line)?, version, &who, &reason).await.map(|()| done())
        }
        Task::RollBack { line, reason } => {
            let reason = line::check_reason(&reason)?;
            line::roll_back(station.line(&line)?, &who, &reason).await.map(|()| done())
        }
        Task::Recipe { line, recipe } => {
            let switch = station.switch(&line)?;
            let is_new = switch.choose(&recipe, &who).await?;
            // It may be another one already, where somebody chose at the same moment.
            Ok(json!({ "line": switch.now().name(), "changed": is_new }))
        }
    }
}

/// The state of a line, and the SHA-256 of its next picture, JPEG, which is among the pictures of the hub for a day.
async fn snapshot(link: &Link, line: &Line) -> Result<Value> {
    let mut pictures = line.look_on();
    let jpeg = match tokio::time::timeout(PICTURE, pictures.changed()).await {
        Ok(Ok(())) => Some(Arc::clone(&pictures.borrow_and_update())),
        // A line that stands still has none.
        _ => None,
    };
    let mut picture = None;
    if let Some(jpeg) = jpeg {
        let name = hex(&Sha256::digest(jpeg.as_slice()));
        let bucket = places::objects(&link.jetstream, PICTURES).await?;
        let meta = ObjectMetadata { name: name.clone(), ..ObjectMetadata::default() };
        bucket.put(meta, &mut jpeg.as_slice()).await.context("the hub does not take a picture")?;
        picture = Some(name);
    }
    Ok(json!({ "state": line.snapshot(u64::MAX), "picture": picture }))
}
