//! A line learns: before its first start, or when somebody asks for it; then it inspects nothing meanwhile, and what it
//! learned is a version that nobody uses yet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value};
use snarm_core::bank::Bank;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::album::Album;
use super::child::{self, Heard, Order};
use super::control::rescore;
use super::detector;
use super::prepare::SELF;
use super::shared::Line;
use super::state::Status;
use crate::clock;
use crate::config;
use crate::secret;
use crate::store::{NewBank, Odd, Rescored};

/// Packets that may wait.
const WAITING: usize = 64;

/// What is to be learned, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) author: String,
    pub(crate) reason: String,
    /// Each so many-th frame is learned.
    pub(crate) interval: u32,
    /// The bank is made after so many frames; 0 learns to the end of the stream, or until somebody says that it is enough.
    pub(crate) max_frames: u32,
    /// The bank is made so many seconds after the first frame; 0 says nothing of it.
    pub(crate) seconds: u32,
    /// Whether frames that are unlike the rest are left out.
    pub(crate) leave_out_odd_frames: bool,
}

/// How far a line is with learning.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// When it began, in milliseconds since 1970.
    pub(crate) since: i64,
    /// Who asked for it.
    pub(crate) author: String,
    /// Why.
    pub(crate) reason: String,
    /// Frames learned so far.
    pub(crate) frames: u64,
    /// Frames after which the bank is made; 0 where the end of the stream, or somebody, says when.
    pub(crate) max_frames: u32,
    /// What is done: `wait`, `start`, `frames`, `reduce`, `calibrate` or `try`.
    pub(crate) stage: String,
    /// Share of a stage that is done, 0..1, where it is known.
    pub(crate) share: Option<f64>,
    /// Seconds that are left of the stage, where they are known.
    pub(crate) seconds_left: Option<f64>,
}

impl Progress {
    /// Of a wish for which nothing was learned yet.
    fn of(wish: &Wish, stage: &str) -> Self {
        Self {
            author: wish.author.clone(),
            reason: wish.reason.clone(),
            max_frames: wish.max_frames,
            stage: stage.to_owned(),
            ..Self::default()
        }
    }
}

/// How learning ended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Outcome {
    /// When, in milliseconds since 1970.
    pub(crate) at: i64,
    /// The version that was made.
    pub(crate) version: Option<i64>,
    /// Why none was made.
    pub(crate) failure: Option<String>,
}

/// What is asked of learning while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The frames are enough: the bank is to be made.
    Enough,
    /// Nothing is wanted any more.
    GiveUp,
}

/// What is known of learning.
#[derive(Debug, Default)]
pub(super) struct Desk {
    wish: Option<Wish>,
    now: Option<Progress>,
    last: Option<Outcome>,
    asks: Option<mpsc::Sender<Ask>>,
}

impl Desk {
    /// Nothing is learned any more.
    fn rest(&mut self) {
        (self.now, self.asks) = (None, None);
    }
}

/// What a page shows of learning.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Learning {
    /// Where good frames come from; `null` where the configuration says nothing of it.
    source: Option<String>,
    /// Each so many-th frame is learned, unless somebody says otherwise.
    interval: u32,
    /// Frames after which the bank is made, unless somebody says otherwise.
    max_frames: u32,
    /// What goes on.
    now: Option<Progress>,
    /// How the last one ended that somebody asked for since the station started.
    last: Option<Outcome>,
}

/// Where good frames of a line come from, and which of them are learned: as `[line.learn]` says, or by the source of its
/// recipe.
fn source(config: &config::Line) -> Option<config::Learn> {
    let of_recipe = || {
        let source = config.variables.get("source")?.clone();
        Some(config::Learn { source, interval: 1, max_frames: 0, properties: BTreeMap::new() })
    };
    config.learn.clone().or_else(of_recipe)
}

/// What is known of learning on a line.
pub(crate) fn learning(line: &Line) -> Learning {
    let source = source(&line.config);
    let desk = line.desk();
    Learning {
        interval: source.as_ref().map_or(1, |learn| learn.interval),
        max_frames: source.as_ref().map_or(0, |learn| learn.max_frames),
        source: source.map(|learn| secret::hidden(&learn.source)),
        now: desk.now.clone().or_else(|| desk.wish.as_ref().map(|wish| Progress::of(wish, "wait"))),
        last: desk.last.clone(),
    }
}

/// Most frames to be learned of so many, and most frames, or seconds, after which a bank is made.
const MOST: u32 = 1_000_000;

impl Wish {
    /// Checks its numbers.
    ///
    /// # Errors
    /// When one is out of its range.
    pub(crate) fn check(&self) -> Result<()> {
        let (interval, frames, seconds) = (self.interval, self.max_frames, self.seconds);
        if !(1..=MOST).contains(&interval) || frames > MOST || seconds > MOST {
            bail!(
                "expected an interval of 1 to {MOST}, at most {MOST} frames and {MOST} seconds, found {interval}, {frames} and {seconds}"
            );
        }
        Ok(())
    }
}

/// Asks a line to learn. It ends its pipeline for that, and starts it again afterwards.
///
/// # Errors
/// When nobody knows where from, a bank of the line is made at this time, or the line is not there to do it.
pub(crate) async fn begin_learning(line: &Arc<Line>, wish: Wish) -> Result<()> {
    if source(&line.config).is_none() {
        bail!("expected a source to learn from, [line.learn] of the configuration, found none");
    }
    if line.state().status == Status::Stopped {
        bail!("expected a line that runs, found one whose stream is over, or where another recipe is in use");
    }
    let Ok(_alone) = line.making.try_lock() else { bail!("a bank of this line is made at this moment") };
    let Ok(_only) = line.comparing.try_lock() else {
        bail!("two banks of this line are compared at this moment")
    };
    {
        if learns(line) {
            bail!("the line learns already");
        }
        line.desk().wish = Some(wish.clone());
    }
    let detail = format!("{}: begins, {}", line.name(), wish.reason);
    line.ask(move |line| line.store.note(&wish.author, "learn", &detail)).await?;
    // Its pipeline ends; what follows sees the wish.
    line.connect(None);
    line.wake.notify_waiters();
    Ok(())
}

/// Says that the frames are enough, or that nothing is wanted any more. False where nothing is learned.
///
/// # Errors
/// When the store fails.
pub(crate) async fn end_learning(line: &Arc<Line>, ask: Ask, author: &str) -> Result<bool> {
    let (asks, was_wished) = {
        let mut desk = line.desk();
        // What has not begun yet needs no end.
        let was_wished = desk.now.is_none() && ask == Ask::GiveUp && desk.wish.take().is_some();
        (desk.asks.clone(), was_wished)
    };
    let is_heard = match asks {
        _ if was_wished => true,
        Some(asks) => asks.send(ask).await.is_ok(),
        None => false,
    };
    if is_heard {
        let what = match ask {
            Ask::Enough => "the frames are enough",
            Ask::GiveUp => "given up",
        };
        let (author, detail) = (author.to_owned(), format!("{}: {what}", line.name()));
        line.ask(move |line| line.store.note(&author, "learn", &detail)).await?;
    }
    Ok(is_heard)
}

/// Whether a line learns, or is about to.
fn learns(line: &Line) -> bool {
    let desk = line.desk();
    desk.now.is_some() || desk.wish.is_some()
}

/// Whether a line learns, or is about to, since somebody asked for it: not before its first start.
pub(super) fn learns_for_somebody(line: &Line) -> bool {
    let desk = line.desk();
    desk.wish.is_some() || desk.now.as_ref().is_some_and(|now| now.author != SELF)
}

/// Whether somebody waits for the line to learn.
pub(super) fn is_wished(line: &Line) -> bool {
    line.desk().wish.is_some()
}

/// Does what was asked for, where something was. What went wrong is told to whoever looks at it.
pub(super) async fn fulfil(line: &Arc<Line>, stop: &watch::Receiver<bool>) {
    let Some(wish) = line.desk().wish.take() else { return };
    let _alone = line.making.lock().await;
    let made = candidate(line, &wish, stop).await;
    if let Err(error) = &made {
        tracing::warn!("{}: learned nothing: {error:#}", line.name());
    }
    let (version, failure) = match made {
        Ok(version) => (Some(version), None),
        Err(error) => (None, Some(secret::hidden(&format!("{error:#}")))),
    };
    let mut desk = line.desk();
    desk.rest();
    desk.last = Some(Outcome { at: clock::now(), version, failure });
}

/// Learns a version that nobody uses yet, and tries it with what was judged.
async fn candidate(line: &Arc<Line>, wish: &Wish, stop: &watch::Receiver<bool>) -> Result<i64> {
    let learned = learn(line, wish, stop.clone()).await?;
    stage(line, "try");
    let report = match line.ask(detector::options).await {
        Ok(_) => rescore(line, &learned.bank).await?,
        // It is learned all the same.
        Err(error) => {
            tracing::warn!("{}: what was learned is not tried: {error:#}", line.name());
            Vec::new()
        }
    };
    let (author, reason) = (wish.author.clone(), wish.reason.clone());
    line.ask(move |line| keep(line, &learned, report, &author, &reason)).await
}

/// Makes what was learned a version of its own. Returns its number.
fn keep(line: &Line, learned: &Learned, report: Vec<Rescored>, author: &str, reason: &str) -> Result<i64> {
    let new = NewBank::from_elsewhere(&Bank::open(&learned.bank)?, author, reason)?;
    let new = NewBank { report, odd: learned.odd.clone(), ..new };
    let made = line.store.add_bank(line.name(), &new, |path| std::fs::rename(&learned.bank, path))?;
    let folder = line.store.learned_folder(line.name(), made.version);
    // Left over from a version that was not made.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::rename(&learned.pictures, &folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(made.version)
}

/// Learns the version that a line begins with. Returns its number.
///
/// # Errors
/// As of a pipeline that fails, and when the station ends meanwhile.
pub(super) async fn learn_first(line: &Arc<Line>, stop: &watch::Receiver<bool>) -> Result<i64> {
    let by = source(&line.config).context("expected a source to learn from")?;
    let wish = Wish {
        author: SELF.to_owned(),
        reason: "learned at the first start".to_owned(),
        interval: by.interval,
        max_frames: by.max_frames,
        seconds: 0,
        leave_out_odd_frames: false,
    };
    let learned = learn(line, &wish, stop.clone()).await;
    line.desk().rest();
    let learned = learned?;
    line.ask(move |line| keep(line, &learned, Vec::new(), &wish.author, &wish.reason)).await
}

fn stage(line: &Line, stage: &str) {
    if let Some(now) = &mut line.desk().now {
        now.stage = stage.to_owned();
        (now.share, now.seconds_left) = (None, None);
    }
}

/// What was learned.
struct Learned {
    bank: PathBuf,
    /// Folder with pictures of its frames.
    pictures: PathBuf,
    odd: Vec<Odd>,
}

async fn learn(line: &Arc<Line>, wish: &Wish, mut stop: watch::Receiver<bool>) -> Result<Learned> {
    let by = source(&line.config).context("expected a source to learn from")?;
    let bank = line.store.folder().join(format!("learned-{}.bank", line.name()));
    // Left over from a start that was ended.
    let _ = std::fs::remove_file(&bank);
    let variables = [
        ("source", by.source),
        ("bank", bank.display().to_string()),
        ("interval", wish.interval.to_string()),
        ("max-frames", wish.max_frames.to_string()),
        ("leave-out-odd-frames", wish.leave_out_odd_frames.to_string()),
    ];
    let variables: BTreeMap<String, String> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let words = (line.host.words)("learn", &variables, &BTreeMap::new())?;
    let pictures = line.store.folder_to_learn(line.name());
    let mut album = Album::begin(pictures.clone())?;
    let (asks, mut asked) = mpsc::channel(1);
    {
        let mut desk = line.desk();
        desk.asks = Some(asks);
        desk.now = Some(Progress { since: clock::now(), ..Progress::of(wish, "start") });
    }
    tell(line, "learns from good frames");
    let (heard_by, mut heard) = mpsc::channel(WAITING);
    let (orders, to_child) = mpsc::channel(1);
    let (done, is_done) = watch::channel(false);
    let player = line.host.player.clone();
    let order =
        Order { set: by.properties, offer: line.ask(detector::properties).await?, ..Order::default() };
    let run =
        tokio::spawn(async move { child::play(&player, &words, &order, to_child, heard_by, is_done).await });
    let (mut is_given_up, mut odd) = (false, Vec::new());
    // When the frames are enough, where the wish says how long they come.
    let mut enough: Option<Instant> = None;
    let mut is_over = wish.seconds == 0;
    loop {
        tokio::select! {
            // A live source has no end: with the bank the run is over.
            heard = heard.recv() => match heard {
                Some(Heard::Message { name, fields }) if name == "snarm-bank-ready" => {
                    odd = odd_frames(&fields);
                    done.send_replace(true);
                }
                Some(Heard::Message { name, fields }) if name == "snarm-progress" => making(line, &fields),
                Some(Heard::Said(text)) => tell(line, &text),
                Some(Heard::Learned(time, jpeg)) => {
                    album.add(time, &jpeg)?;
                    learned(line, jpeg);
                    enough.get_or_insert_with(|| Instant::now() + Duration::from_secs(wish.seconds.into()));
                }
                Some(_) => {}
                None => break,
            },
            Some(ask) = asked.recv() => match ask {
                // The stream ends, and the bank is made of what was seen; it takes as long as it takes.
                Ask::Enough => drop(orders.send(Order { stop: true, ..Order::default() }).await),
                Ask::GiveUp => {
                    is_given_up = true;
                    done.send_replace(true);
                }
            },
            () = tokio::time::sleep_until(enough.unwrap_or_else(Instant::now)), if enough.is_some() && !is_over => {
                is_over = true;
                drop(orders.send(Order { stop: true, ..Order::default() }).await);
            }
            _ = stop.changed() => drop(done.send_replace(true)),
        }
    }
    let ended = run.await.context("a task of the station failed")??;
    tracing::debug!("{}: learning ended: {ended:?}", line.name());
    if *stop.borrow() {
        bail!("the station ends");
    }
    if is_given_up {
        let _ = std::fs::remove_file(&bank);
        bail!("given up");
    }
    if !bank.is_file() {
        bail!("expected good frames, found too few to make a bank of");
    }
    Ok(Learned { bank, pictures, odd })
}

/// The frames that `snarm-bank-ready` names as unlike the rest.
fn odd_frames(fields: &Map<String, Value>) -> Vec<Odd> {
    let odd = |frame: &Value| {
        // A time that is not known is the largest number.
        let time = frame.get("running-time").and_then(Value::as_u64).filter(|time| *time < u64::MAX);
        Some(Odd { frame: frame.get("frame")?.as_u64()?, time, sigmas: frame.get("sigmas")?.as_f64()? })
    };
    fields.get("odd-frames").and_then(Value::as_array).into_iter().flatten().filter_map(odd).collect()
}

/// Says on the page what the line does.
pub(super) fn tell(line: &Line, text: &str) {
    let mut state = line.state();
    (state.status, state.detail) = (Status::Preparing, text.to_owned());
}

/// A frame was learned, and is what a page shows.
fn learned(line: &Line, jpeg: Vec<u8>) {
    if let Some(now) = &mut line.desk().now {
        now.frames += 1;
        now.stage = "frames".to_owned();
        now.share = (now.max_frames > 0).then(|| (now.frames as f64 / f64::from(now.max_frames)).min(1.0));
    }
    line.live.send_replace(Arc::new(jpeg));
}

/// The bank is made.
fn making(line: &Line, fields: &Map<String, Value>) {
    if let Some(now) = &mut line.desk().now {
        fields.get("stage").and_then(Value::as_str).unwrap_or_default().clone_into(&mut now.stage);
        now.share = fields.get("share").and_then(Value::as_f64);
        // Less than nothing where it is not known yet.
        let left = fields.get("seconds-left").and_then(Value::as_f64);
        now.seconds_left = left.filter(|seconds| *seconds >= 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_frames_are_those_of_the_message() {
        let fields = serde_json::json!({ "odd-frames": [
            { "frame": 7, "running-time": 40, "sigmas": 4.5 },
            { "frame": 9, "running-time": u64::MAX, "sigmas": 3.5 },
            { "frame": "other" },
        ]});
        let found = odd_frames(fields.as_object().unwrap());
        let expected = [(7, Some(40), 4.5), (9, None, 3.5)];
        assert_eq!(found, expected.map(|(frame, time, sigmas)| Odd { frame, time, sigmas }));
        assert!(odd_frames(&Map::new()).is_empty());
    }

    #[test]
    fn good_frames_come_from_where_the_configuration_says_or_where_the_recipe_looks() {
        let line = |text: &str| -> config::Line { toml::from_str(text).unwrap() };
        let plain = "name = 'cap'\npipeline = 'videotestsrc ! snarmdetect ! fakesink'\n";
        assert_eq!(source(&line(plain)), None);
        let recipe = "name = 'cap'\npipeline = 'inspect'\n[variables]\nsource = 'v4l2src'\n";
        assert_eq!(source(&line(recipe)).unwrap().source, "v4l2src");
        let both = format!("{recipe}[learn]\nsource = 'filesrc'\nmax-frames = 9\n");
        let found = source(&line(&both)).unwrap();
        assert_eq!((found.source.as_str(), found.max_frames, found.interval), ("filesrc", 9, 1));
    }
}
