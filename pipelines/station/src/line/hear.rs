//! Takes what comes from a pipeline into state and store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};
use snarm_core::light::Kind;
use snarm_core::results::Record;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::child::{Found, Heard, Order};
use super::lost::Lost;
use super::pairs::Pairs;
use super::shared::Line;
use super::state::{Away, Status, captured};
use super::unstored::{NewFound, Unstored, WAIT};
use crate::clock;
use crate::config::What;
use crate::limited::Limited;
use crate::secret;
use crate::store::{Frame, Judged};

/// Time between two transactions.
const TICK: Duration = Duration::from_millis(250);

/// Most frames of a transaction.
const BATCH: usize = 500;

/// How long a find waits for the result of its frame, which comes another way.
const PATIENCE: Duration = Duration::from_secs(2);

/// Characters that are shown of a line that is no result.
const SHOWN: usize = 80;

/// Ticks between two looks at what is to be forgotten.
const FORGET: u32 = 240;

/// What is being stored, and comes back when it is, or when it could not be.
type Storing = JoinHandle<(Unstored, Result<()>)>;

/// What waits to be stored.
struct Work {
    line: Arc<Line>,
    /// Number of the run of the pipeline.
    run: i64,
    waiting: Unstored,
    /// Finds that wait for the results of their frames.
    finds: Vec<(Found, Instant)>,
    storing: Option<Storing>,
    /// How much that is.
    begun: Lost,
    /// When it could not be stored last.
    failed: Option<Instant>,
    /// Of a pipeline with a shadow.
    pairs: Option<Pairs>,
    /// What was heard and is no result.
    others: Limited,
    is_live: bool,
    ticks: u32,
    /// Whether it is time to drop what is too old.
    forgets: bool,
}

/// Takes everything that is heard, until the end, and what waits already. `pairs` are there where the pipeline has a
/// shadow. Returns what could not be stored.
pub(super) async fn listen(
    line: Arc<Line>,
    mut heard: mpsc::Receiver<Heard>,
    pairs: Option<Pairs>,
    waiting: Unstored,
) -> Unstored {
    let (finds, others) = (Vec::new(), Limited::default());
    let run = line.state().run;
    let mut work = Work {
        line,
        run,
        waiting,
        finds,
        storing: None,
        begun: Lost::default(),
        failed: None,
        pairs,
        others,
        is_live: false,
        ticks: 0,
        forgets: false,
    };
    let mut tick = tokio::time::interval(TICK);
    loop {
        // What is stored slowly keeps nobody from hearing.
        tokio::select! {
            heard = heard.recv() => match heard {
                Some(heard) => work.hear(heard),
                None => break,
            },
            stored = stored(&mut work.storing) => work.take_back(stored),
            _ = tick.tick() => work.tick().await,
        }
        // What failed just now waits for a tick: finds need not meet their results with each packet.
        if work.waiting.frames.len() >= BATCH && work.may_store() {
            work.store();
        }
    }
    work.line.state().end_run();
    work.line.parts().cut(clock::now());
    if work.storing.is_some() {
        let stored = stored(&mut work.storing).await;
        work.take_back(stored);
    }
    work.store();
    // What failed just now waits for the next run.
    if work.storing.is_some() {
        let stored = stored(&mut work.storing).await;
        work.take_back(stored);
    }
    work.waiting
}

/// Waits until what is being stored is.
async fn stored(storing: &mut Option<Storing>) -> Result<(Unstored, Result<()>), JoinError> {
    match storing {
        Some(storing) => storing.await,
        None => std::future::pending().await,
    }
}

impl Work {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Result(line) => self.take_result(&line),
            Heard::Message { name, fields } => self.take_message(&name, &fields),
            Heard::Shadow { name, fields } => self.take_shadow(&name, &fields),
            Heard::Live(jpeg) => drop(self.line.live.send_replace(Arc::new(jpeg))),
            Heard::Found(found) if found.pictures.iter().take(2).any(Vec::is_empty) => {
                let (name, frame) = (self.line.name(), found.frame);
                self.others.warn(format!("{name}: expected pictures of a find, found none: frame {frame}"));
            }
            Heard::Found(found) => self.finds.push((found, Instant::now())),
            // A pipeline that judges learns nothing that is kept.
            Heard::Learned(..) => {}
            Heard::Lost(pictures) => self.line.state().lost_pictures = pictures,
            Heard::Said(text) => {
                tracing::info!("{}: {text}", self.line.name());
                let mut state = self.line.state();
                if state.status != Status::Running {
                    state.detail = secret::hidden(&text);
                }
            }
        }
    }

    fn take_result(&mut self, text: &str) {
        let record: Record = match serde_json::from_str(text) {
            Ok(record) => record,
            Err(error) => {
                self.line.state().other_lines += 1;
                let found: String = text.chars().take(SHOWN).collect();
                let text =
                    format!("{}: expected a line of results, found {found:?}: {error}", self.line.name());
                return self.others.warn(text);
            }
        };
        let frame = Frame {
            at: clock::now(),
            captured: captured(&record),
            run: self.run,
            frame: record.frame_number,
            score: record.score,
            threshold: record.threshold,
            low: record.threshold_low,
            verdict: record.verdict.name(),
            bank: record.bank_id.clone(),
            light: Some(record.light).filter(|light| *light >= 0.0),
            sharpness: Some(record.sharpness).filter(|sharpness| *sharpness >= 0.0),
        };
        let (at, captured) = (frame.at, frame.captured);
        if !self.line.state().take(record) {
            return;
        }
        self.line.parts().see(&frame);
        if let Some(pairs) = &mut self.pairs {
            pairs.see(&frame);
        }
        self.waiting.frames.push_back(frame);
        if self.line.readers.iter().any(|reader| reader.what == What::Frames)
            && let Ok(mut payload) = serde_json::from_str::<Value>(text)
        {
            payload["run"] = json!(self.run);
            payload["captured"] = json!(captured);
            self.line.sign(&mut payload, at);
            self.waiting.to_send.extend(self.line.messages(What::Frames, "frame", &payload));
        }
    }

    fn take_message(&mut self, name: &str, fields: &Map<String, Value>) {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64).unwrap_or_default();
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        match name {
            "snarm-stats" => {
                let mut state = self.line.state();
                state.fps = number("fps");
                state.latency_ms = number("latency-avg") / 1e6;
            }
            "snarm-bank-loaded" => {
                // The detector tells what is outside of what this bank learned.
                self.line.state().compare_anew();
                drop(self.line.loaded.send_replace(Ok(text("bank-id").to_owned())));
            }
            "snarm-drift" => {
                let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == text("kind")) else {
                    let (name, found) = (self.line.name(), text("kind"));
                    return self.others.warn(format!("{name}: expected a kind of drift, found {found:?}"));
                };
                let drifts = fields.get("drifting").and_then(Value::as_bool).unwrap_or_default();
                let (value, low, high) = (number("value"), number("low"), number("high"));
                self.line.state().see_drift(kind, drifts.then_some(Away { value, low, high }));
            }
            "warning" => drop(self.line.loaded.send_replace(Err(text("text").to_owned()))),
            _ => {}
        }
    }

    /// What a shadow says goes to nobody but its comparison; its warnings are in the log.
    fn take_shadow(&mut self, name: &str, fields: &Map<String, Value>) {
        let number = |name: &str| fields.get(name).and_then(Value::as_f64);
        let (Some(pairs), "snarm-result") = (&mut self.pairs, name) else { return };
        let frame = fields.get("frame-number").and_then(Value::as_u64);
        let verdict = fields.get("verdict").and_then(Value::as_str);
        match (frame, number("score"), number("threshold"), verdict) {
            (Some(frame), Some(score), Some(threshold), Some(verdict)) => {
                pairs.see_shadow(frame, Judged { score, threshold, verdict: verdict.to_owned() });
            }
            _ => {
                let name = self.line.name();
                self.others.warn(format!("{name}: expected a result of the shadow, found {fields:?}"));
            }
        }
    }

    async fn tick(&mut self) {
        self.ticks += 1;
        let is_wanted = self.line.live.receiver_count() > 0;
        if is_wanted != self.is_live {
            self.is_live = is_wanted;
            self.line.order(Order { live: Some(is_wanted), ..Order::default() }).await;
        }
        self.forgets |= self.ticks % FORGET == 1;
        self.store();
    }

    /// Whether nothing is being stored, and nothing failed just now.
    fn may_store(&self) -> bool {
        self.storing.is_none() && self.failed.is_none_or(|failed| failed.elapsed() >= WAIT)
    }

    /// Begins to store what waits, unless that goes on already, or failed just now.
    fn store(&mut self) {
        self.meet();
        if !self.may_store() {
            return;
        }
        let forgets = std::mem::take(&mut self.forgets);
        let (line, mut waiting) = (Arc::clone(&self.line), std::mem::take(&mut self.waiting));
        self.begun = waiting.count();
        self.storing = Some(tokio::task::spawn_blocking(move || {
            let stored = waiting.store(&line);
            // It makes room where there is too little.
            let forgotten = if forgets { forget(&line) } else { Ok(()) };
            (waiting, stored.and(forgotten))
        }));
    }

    /// Finds meet the results of their frames, which come another way.
    fn meet(&mut self) {
        if let Some((version, compared)) = self.pairs.as_mut().and_then(Pairs::take) {
            self.waiting.compared.extend(compared.into_iter().map(|compared| (version, compared)));
        }
        for (found, since) in std::mem::take(&mut self.finds) {
            let (run, result) = (self.run, self.line.state().result_of(found.frame).cloned());
            match result {
                Some(record) => self.waiting.finds.push_back(NewFound { run, record, found }),
                None if since.elapsed() < PATIENCE => self.finds.push((found, since)),
                None => tracing::warn!("{}: a find has no result: frame {}", self.line.name(), found.frame),
            }
        }
        let lost = self.waiting.extend(Unstored::default());
        self.line.lose(&lost);
    }

    /// Takes back what could not be stored, before what came meanwhile.
    fn take_back(&mut self, stored: Result<(Unstored, Result<()>), JoinError>) {
        self.storing = None;
        let (left, stored) = match stored {
            Ok(stored) => stored,
            Err(error) => {
                self.line.lose(&self.begun);
                (Unstored::default(), Err(error.into()))
            }
        };
        self.failed = stored.is_err().then(Instant::now);
        let later = std::mem::replace(&mut self.waiting, left);
        let lost = self.waiting.extend(later);
        self.line.lose(&lost);
        self.line.say_stored(stored);
    }
}

/// Drops what is older than what is kept.
fn forget(line: &Line) -> Result<()> {
    line.store.forget_frames(line.name(), line.keep.frames)?;
    line.store.forget_trends(line.name())?;
    line.store.forget_parts(line.name(), line.keep.parts)?;
    line.store.forget_finds(line.name(), line.keep.finds).map(drop)
}
