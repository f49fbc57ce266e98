//! What is known of a line at this moment: what the page shows.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use snarm_core::bank::{Calibration, Promises, Rule};
use snarm_core::light::Kind;
use snarm_core::results::Record;
use utoipa::ToSchema;

use super::lost::Lost;
use crate::clock;
use crate::limited::Limited;
use crate::store::{Part, Shift};

/// Scores in the strip of the page.
const STRIP: usize = 200;

/// Results that finds are looked for in.
const RECENT: usize = 1024;

/// A source that brings no frame for so many milliseconds is silent.
const SILENCE: i64 = 3_000;

/// Frames whose scores tell of drift.
const DRIFT_FRAMES: usize = 500;

/// What a line does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Gets ready: a bank is copied, or learned.
    #[default]
    Preparing,
    /// The pipeline starts.
    Starting,
    /// Frames are judged.
    Running,
    /// The pipeline failed, and is started again after a while.
    Waiting,
    /// The stream is over.
    Stopped,
}

/// A score in the strip.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Point {
    /// Number since the station started, ascending.
    pub(crate) seq: u64,
    /// Image score.
    pub(crate) score: f64,
    /// Word of the verdict.
    pub(crate) verdict: &'static str,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Light {
    /// As it should be.
    Good,
    /// Somebody should look.
    Warning,
    /// It does not work.
    Bad,
    /// Nothing is known.
    Off,
}

/// A lamp of the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Lamp {
    /// What it tells of.
    pub(crate) name: &'static str,
    /// Its colour.
    pub(crate) light: Light,
    /// Why.
    pub(crate) text: String,
}

/// What scores good frames had when the bank was learned.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Learned {
    /// Version of the bank.
    pub(crate) version: i64,
    /// Digest of the bank.
    pub(crate) digest: String,
    /// The bank's threshold.
    pub(crate) threshold: f64,
    /// Ascending scores.
    pub(crate) scores: Vec<f64>,
    /// All that the bank says of good frames, where it is known.
    pub(crate) calibration: Option<Calibration>,
}

impl Learned {
    fn quantile(&self, part: f64) -> Option<f64> {
        let last = self.scores.len().checked_sub(1)?;
        self.scores.get((last as f64 * part).round() as usize).copied()
    }
}

/// What the last frames have outside of what was learned, as a multiple of what was usual then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Away {
    pub(crate) value: f64,
    /// The learned range.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// What is known of a line.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) status: Status,
    pub(crate) detail: String,
    pub(crate) shift: Shift,
    pub(crate) learned: Learned,
    pub(crate) fps: f64,
    pub(crate) latency_ms: f64,
    pub(crate) lost_pictures: u64,
    /// Lines on the standard output of the pipeline that are no results.
    pub(crate) other_lines: u64,
    /// Why what waits is not stored, where it is not.
    pub(crate) unstored: Option<String>,
    /// What could not be stored.
    pub(crate) lost: Lost,
    /// Tells of it.
    pub(super) losses: Limited,
    pub(crate) restarts: u64,
    /// Starts of the pipeline.
    pub(super) starts: u64,
    /// Frames since the station started.
    pub(crate) frames: u64,
    pub(crate) anomalous: u64,
    pub(crate) finds: u64,
    /// Number of the run of the pipeline.
    pub(crate) run: i64,
    last_at: i64,
    last: Option<Record>,
    strip: VecDeque<Point>,
    recent: VecDeque<Record>,
    drift: VecDeque<f64>,
    /// By the word of its kind.
    away: BTreeMap<&'static str, Away>,
}

/// The parts of a line that has such.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PartsNow {
    /// The last part that ended.
    pub(crate) last: Option<Part>,
    /// The part whose frames come now.
    pub(crate) open: Option<Part>,
}

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Snapshot {
    /// Name of the line.
    pub(crate) line: String,
    /// Name on pages.
    pub(crate) title: String,
    /// Name of its recipe on pages; empty where it has none.
    pub(crate) recipe: String,
    /// What it does.
    pub(crate) status: Status,
    /// More of that in words.
    pub(crate) detail: String,
    /// Word of the verdict of the last frame.
    pub(crate) verdict: &'static str,
    /// Score of the last frame, -1 before the first.
    pub(crate) score: f64,
    /// The limit of alarms.
    pub(crate) threshold: f64,
    /// The limit of the uncertain band, -1 where there is none.
    pub(crate) low: f64,
    /// Number of the last frame, and of the run of the pipeline in which it has that.
    pub(crate) frame: u64,
    /// Results since the station started.
    pub(crate) results: u64,
    pub(crate) run: i64,
    /// When the last frame was judged, in milliseconds since 1970, 0 before the first.
    pub(crate) at: i64,
    /// When it was captured; `null` where its source does not say so.
    pub(crate) captured: Option<i64>,
    /// Version of the bank.
    pub(crate) bank: i64,
    /// Frames a second.
    pub(crate) fps: f64,
    /// Time of an analysis in milliseconds.
    pub(crate) latency_ms: f64,
    /// Counters of the shift.
    pub(crate) shift: Shift,
    /// Parts; `null` where frames are not joined to such.
    pub(crate) parts: Option<PartsNow>,
    /// Lamps of source, store, drift and light; those of the station follow.
    pub(crate) lamps: Vec<Lamp>,
    /// The last scores, of those that were asked for.
    pub(crate) strip: Vec<Point>,
}

impl State {
    /// Takes a result. Nothing for frames that were not looked at.
    pub(crate) fn take(&mut self, record: Record) -> bool {
        if !record.analysed || record.stale {
            return false;
        }
        self.status = Status::Running;
        self.detail.clear();
        self.frames += 1;
        self.shift.frames += 1;
        self.anomalous += u64::from(record.is_anomalous());
        self.last_at = clock::now();
        let verdict = record.verdict.name();
        push(&mut self.strip, STRIP, Point { seq: self.frames, score: record.score, verdict });
        push(&mut self.drift, DRIFT_FRAMES, record.score);
        push(&mut self.recent, RECENT, record.clone());
        self.last = Some(record);
        true
    }

    /// A new run of the pipeline counts frames from 0 again.
    pub(crate) fn begin_run(&mut self, run: i64) {
        self.run = run;
        self.recent.clear();
        self.away.clear();
    }

    /// The run of the pipeline has ended.
    pub(crate) fn end_run(&mut self) {
        self.away.clear();
    }

    /// The frames are compared with what another bank learned.
    pub(crate) fn compare_anew(&mut self) {
        self.away.clear();
    }

    /// The frames have left what was learned in one kind, such as the light or the sharpness, or have come back.
    pub(crate) fn see_drift(&mut self, kind: Kind, away: Option<Away>) {
        match away {
            Some(away) => drop(self.away.insert(kind.name(), away)),
            None => drop(self.away.remove(kind.name())),
        }
    }

    /// The result of a frame of this run.
    pub(crate) fn result_of(&self, frame: u64) -> Option<&Record> {
        self.recent.iter().rev().find(|record| record.frame_number == frame)
    }

    /// The last result.
    pub(super) fn last(&self) -> Option<&Record> {
        self.last.as_ref()
    }

    /// The scores of another bank are others.
    pub(crate) fn judged_by(&mut self, learned: Learned) {
        if learned.digest != self.learned.digest {
            self.drift.clear();
        }
        self.learned = learned;
    }

    /// Whether frames come.
    pub(super) fn source(&self) -> Lamp {
        let silent = clock::now() - self.last_at;
        let (light, text) = match self.status {
            Status::Running if silent > SILENCE => (Light::Bad, format!("no frame for {} s", silent / 1000)),
            Status::Running => (Light::Good, format!("{:.1} frames a second", self.fps)),
            Status::Preparing | Status::Starting => (Light::Off, "not started yet".to_owned()),
            Status::Waiting => (Light::Bad, self.detail.clone()),
            Status::Stopped => (Light::Warning, "the stream is over".to_owned()),
        };
        Lamp { name: "source", light, text }
    }

    /// Whether what comes is stored.
    pub(super) fn store(&self) -> Lamp {
        let (light, text) = match &self.unstored {
            Some(reason) => (Light::Bad, format!("what was judged waits in memory: {reason}")),
            None if self.lost.sum() > 0 => {
                (Light::Warning, format!("lost since the start, as it could not be stored: {}", self.lost))
            }
            None => (Light::Good, "all is stored".to_owned()),
        };
        Lamp { name: "store", light, text }
    }

    /// The median of the last frames is compared with what good frames scored while learning.
    fn drift(&self) -> Lamp {
        let lamp = |light, text: String| Lamp { name: "drift", light, text };
        let (Some(usual), Some(high)) = (self.learned.quantile(0.5), self.learned.quantile(0.9)) else {
            return lamp(Light::Off, "the bank has no scores of good frames".to_owned());
        };
        if self.drift.len() < DRIFT_FRAMES {
            return lamp(Light::Off, format!("{} of {DRIFT_FRAMES} frames seen", self.drift.len()));
        }
        let mut scores: Vec<f64> = self.drift.iter().copied().collect();
        let (_, median, _) = scores.select_nth_unstable_by(DRIFT_FRAMES / 2, f64::total_cmp);
        let text = format!("half of the frames score {median:.2} or more, {usual:.2} when learned");
        lamp(if *median > high { Light::Warning } else { Light::Good }, text)
    }

    /// The detector says when the light, its colours and slopes, or the sharpness leave what was learned, and when they come
    /// back.
    fn light(&self) -> Lamp {
        let lamp = |light, text: String| Lamp { name: "light", light, text };
        let known = self.last.as_ref().map(|record| record.light).filter(|light| *light >= 0.0);
        match (self.status, known) {
            (Status::Running, Some(light)) if self.away.is_empty() => {
                lamp(Light::Good, format!("{light:.2} of what was usual when learned"))
            }
            (Status::Running, Some(_)) => {
                let each = |(kind, Away { value, low, high }): (&&str, &Away)| {
                    format!(
                        "{kind} {value:.2} of what was usual when learned, where it was {low:.2} to {high:.2}"
                    )
                };
                let all: Vec<String> = self.away.iter().map(each).collect();
                lamp(Light::Warning, all.join("; "))
            }
            (Status::Running, None) => lamp(Light::Off, "the bank does not know it".to_owned()),
            _ => lamp(Light::Off, "no frame is judged".to_owned()),
        }
    }

    /// The threshold of each rule for the bank in use, at the rate of the line; before the line runs at the usual one.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let rate =
            if self.fps > 0.0 { (10.0 * self.fps).round().max(1.0) / 10.0 } else { Promises::USUAL.rate };
        let rules = |calibration: &Calibration| calibration.rules(&Promises { rate, ..Promises::USUAL });
        self.learned.calibration.as_ref().map(rules).unwrap_or_default()
    }

    /// What the page shows, with the scores after a number.
    pub(crate) fn snapshot(&self, line: &str, title: &str, after: u64) -> Snapshot {
        let last = self.last.as_ref();
        Snapshot {
            line: line.to_owned(),
            title: title.to_owned(),
            recipe: String::new(),
            status: self.status,
            detail: self.detail.clone(),
            verdict: last.map_or("unknown", |record| record.verdict.name()),
            score: last.map_or(-1.0, |record| record.score),
            threshold: last.map_or(-1.0, |record| record.threshold),
            low: last.map_or(-1.0, |record| record.threshold_low),
            frame: last.map_or(0, |record| record.frame_number),
            results: self.frames,
            run: self.run,
            at: self.last_at,
            captured: last.and_then(captured),
            bank: self.learned.version,
            fps: self.fps,
            latency_ms: self.latency_ms,
            shift: self.shift.clone(),
            parts: None,
            lamps: vec![self.source(), self.store(), self.drift(), self.light()],
            strip: self.strip.iter().filter(|point| point.seq > after).copied().collect(),
        }
    }
}

/// When a frame was captured, in milliseconds since 1970, where its source says so.
pub(super) fn captured(record: &Record) -> Option<i64> {
    record.capture_time.and_then(|nanoseconds| i64::try_from(nanoseconds / 1_000_000).ok())
}

fn push<T>(into: &mut VecDeque<T>, most: usize, value: T) {
    if into.len() == most {
        into.pop_front();
    }
    into.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(frame: u64, score: f64) -> Record {
        serde_json::from_value(serde_json::json!({
            "frame-number": frame, "score": score, "threshold": 0.5, "verdict": if score < 0.5 { "normal" } else { "anomalous" },
        }))
        .unwrap()
    }

    #[test]
    fn the_strip_has_the_last_scores_and_only_new_ones_are_sent_again() {
        let mut state = State::default();
        for frame in 0..(STRIP as u64 + 5) {
            assert!(state.take(record(frame, 0.1)));
        }
        assert!(!state.take(Record { stale: true, ..record(999, 0.9) }));
        let all = state.snapshot("cap", "Cap", 0).strip;
        assert_eq!((all.len(), all[0].seq), (STRIP, 6));
        assert_eq!(state.snapshot("cap", "Cap", all[STRIP - 2].seq).strip.len(), 1);
        assert_eq!(state.result_of(7).unwrap().frame_number, 7);
        state.begin_run(2);
        assert!(state.result_of(7).is_none());
    }

    #[test]
    fn the_drift_lamp_warns_when_good_frames_score_as_few_did_when_learned() {
        let mut state = State::default();
        let scores: Vec<f64> = (0..100).map(|i| f64::from(i) / 250.0).collect();
        state.judged_by(Learned { scores, ..Learned::default() });
        let light = |state: &State| state.drift().light;
        assert_eq!(light(&state), Light::Off);
        assert!((0..DRIFT_FRAMES as u64).all(|frame| state.take(record(frame, 0.2))));
        assert_eq!(light(&state), Light::Good);
        assert!((0..DRIFT_FRAMES as u64).all(|frame| state.take(record(frame, 0.4))));
        assert_eq!(light(&state), Light::Warning);
    }

    #[test]
    fn the_light_lamp_warns_until_the_light_comes_back_or_the_run_ends() {
        let mut state = State::default();
        let lamp = |state: &State| state.light().light;
        let other = Some(Away { value: 0.5, low: 0.9, high: 1.1 });
        assert_eq!(lamp(&state), Light::Off);
        state.take(record(0, 0.1));
        state.see_drift(Kind::Light, other);
        assert_eq!(lamp(&state), Light::Off, "the record has no light");
        let lit = Record { light: 0.97, ..record(1, 0.1) };
        state.take(lit.clone());
        assert_eq!(lamp(&state), Light::Warning);
        assert!(state.light().text.starts_with("light 0.50 of what was usual"), "{}", state.light().text);
        // Another kind comes and goes by itself.
        state.see_drift(Kind::Red, Some(Away { value: 1.5, low: 0.8, high: 1.2 }));
        let text = state.light().text;
        assert!(
            text.contains("light 0.50 of")
                && text.ends_with("; red 1.50 of what was usual when learned, where it was 0.80 to 1.20"),
            "{text}"
        );
        state.see_drift(Kind::Red, None);
        assert_eq!(
            state.light().text,
            "light 0.50 of what was usual when learned, where it was 0.90 to 1.10"
        );
        state.see_drift(Kind::Light, None);
        assert_eq!(lamp(&state), Light::Good);
        state.see_drift(Kind::Light, other);
        state.end_run();
        assert_eq!(lamp(&state), Light::Good);
        state.see_drift(Kind::Light, other);
        state.begin_run(2);
        state.status = Status::Starting;
        assert_eq!(lamp(&state), Light::Off);
        state.take(lit);
        assert_eq!(lamp(&state), Light::Good);
    }
}
