//! Takes what comes from a pipeline into state and store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use snarm_core::results::Record;
use tokio::sync::mpsc;

use super::child::{Found, Heard, Order};
use super::pairs::Pairs;
use super::shared::Line;
use super::state::{OtherLight, Status, captured};
use crate::clock;
use crate::config::What;
use crate::limited::Limited;
use crate::store::{Frame, Judged, NewFind, Waiting};

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

/// What waits to be stored.
struct Work {
    line: Arc<Line>,
    /// Number of the run of the pipeline.
    run: i64,
    frames: Vec<Frame>,
    to_send: Vec<Waiting>,
    finds: Vec<(Found, Instant)>,
    /// Of a pipeline with a shadow.
    pairs: Option<Pairs>,
    /// What was heard and is no result.
    others: Limited,
    is_live: bool,
    ticks: u32,
}

/// Takes everything that is heard, until the end. `pairs` are there where the pipeline has a shadow.
pub(super) async fn listen(line: Arc<Line>, mut heard: mpsc::Receiver<Heard>, pairs: Option<Pairs>) {
    let (frames, to_send, finds) = (Vec::new(), Vec::new(), Vec::new());
    let (run, others) = (line.state().run, Limited::default());
    let mut work = Work { line, run, frames, to_send, finds, pairs, others, is_live: false, ticks: 0 };
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            heard = heard.recv() => match heard {
                Some(heard) => work.hear(heard),
                None => break,
            },
            _ = tick.tick() => work.tick().await,
        }
        if work.frames.len() >= BATCH {
            work.store().await;
        }
    }
    work.line.state().end_run();
    work.line.parts().cut(clock::now());
    work.store().await;
}

impl Work {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Result(line) => self.take_result(&line),
            Heard::Message { name, fields } => self.take_message(&name, &fields),
            Heard::Shadow { name, fields } => self.take_shadow(&name, &fields),
            Heard::Live(jpeg) => drop(self.line.live.send_replace(Arc::new(jpeg))),
            Heard::Found(found) => self.finds.push((found, Instant::now())),
            // A pipeline that judges learns nothing that is kept.
            Heard::Learned(..) => {}
            Heard::Lost(pictures) => self.line.state().lost_pictures = pictures,
            Heard::Said(text) => {
                tracing::info!("{}: {text}", self.line.name());
                let mut state = self.line.state();
                if state.status != Status::Running {
                    state.detail = text;
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
        self.frames.push(frame);
        if self.line.readers.iter().any(|reader| reader.what == What::Frames)
            && let Ok(mut payload) = serde_json::from_str::<Value>(text)
        {
            payload["run"] = json!(self.run);
            payload["captured"] = json!(captured);
            self.line.sign(&mut payload, at);
            self.to_send.extend(self.line.messages(What::Frames, "frame", &payload));
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
                // The light is compared with what another bank learned; the detector tells when it is outside of that.
                self.line.state().see_light(None);
                drop(self.line.loaded.send_replace(Ok(text("bank-id").to_owned())));
            }
            "snarm-drift" => {
                let drifts = fields.get("drifting").and_then(Value::as_bool).unwrap_or_default();
                let (light, low, high) = (number("light"), number("light-low"), number("light-high"));
                self.line.state().see_light(drifts.then_some(OtherLight { light, low, high }));
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
        self.store().await;
        if self.ticks % FORGET == 1 {
            let forgotten = self.line.ask(|line| {
                line.store.forget_frames(line.name(), line.keep.frames)?;
                line.store.forget_trends(line.name())?;
                line.store.forget_parts(line.name(), line.keep.parts)?;
                line.store.forget_finds(line.name(), line.keep.finds)
            });
            self.say(forgotten.await.map(drop));
        }
    }

    /// Stores what waits. What cannot be stored is told, and counted as lost.
    async fn store(&mut self) {
        let (frames, to_send) = (std::mem::take(&mut self.frames), std::mem::take(&mut self.to_send));
        let stored = self.line.ask(move |line| line.store_frames(&frames, to_send)).await;
        self.say(stored);
        if let Some((version, compared)) = self.pairs.as_mut().and_then(Pairs::take) {
            let stored = self.line.ask(move |line| line.store.add_compared(line.name(), version, &compared));
            self.say(stored.await);
        }
        for (found, since) in std::mem::take(&mut self.finds) {
            let (run, result) = (self.run, self.line.state().result_of(found.frame).cloned());
            match result {
                Some(record) => {
                    let stored = self.line.ask(move |line| add_find(line, run, &record, &found)).await;
                    self.say(stored);
                }
                None if since.elapsed() < PATIENCE => self.finds.push((found, since)),
                None => tracing::warn!("{}: a find has no result: frame {}", self.line.name(), found.frame),
            }
        }
    }

    fn say(&self, done: Result<()>) {
        if let Err(error) = done {
            tracing::error!("{}: {error:#}", self.line.name());
        }
    }
}

fn add_find(line: &Line, run: i64, record: &Record, found: &Found) -> Result<()> {
    let told = record.line(Some(line.at()))?;
    let new = NewFind {
        at: clock::now(),
        run,
        frame: found.frame,
        first: found.first,
        last: found.last,
        score: record.score,
        verdict: record.verdict.name(),
        record: told,
    };
    let [jpeg, png, map] = &found.pictures;
    if png.is_empty() || jpeg.is_empty() {
        bail!("expected pictures of a find, found none: frame {}", found.frame);
    }
    line.store.add_find(line.name(), &new, [jpeg, png, map], |id| {
        let mut payload = new.record.clone();
        payload["find"] = json!(id);
        payload["first"] = json!(new.first);
        payload["last"] = json!(new.last);
        payload["run"] = json!(run);
        payload["captured"] = json!(captured(record));
        line.sign(&mut payload, new.at);
        line.messages(What::Finds, "find", &payload)
    })?;
    line.name_finds()?;
    let mut state = line.state();
    state.finds += 1;
    match record.is_anomalous() {
        true => state.shift.alarms += 1,
        false => state.shift.uncertain += 1,
    }
    Ok(())
}
