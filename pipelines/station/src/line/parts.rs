//! Which frames show the same part, and what is said of it.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::lost::MOST;
use crate::config::Parts as Rule;
use crate::store::{Frame, Part};

/// Longest name of a part or lot, in characters.
const LONGEST_NAME: usize = 100;

/// The parts of a line.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    rule: Option<Rule>,
    open: Option<Part>,
    last: Option<Part>,
    lot: Option<String>,
    next: i64,
    /// Frames since the last one that stands out, with [`Rule::Gap`].
    calm: i64,
    /// What is not stored yet, as it is now.
    changed: BTreeMap<i64, Part>,
}

/// How bad a verdict is.
fn rank(verdict: &str) -> u8 {
    match verdict {
        "anomalous" => 3,
        "uncertain" => 2,
        "normal" => 1,
        _ => 0,
    }
}

impl Parts {
    /// Of a line with that rule, which goes on after the parts that are stored, the newest first.
    pub(super) fn new(rule: Option<Rule>, stored: Vec<Part>) -> Self {
        let next = stored.first().map_or(1, |part| part.number + 1);
        let lot = stored.first().and_then(|part| part.lot.clone());
        let (mut open, mut last) = (None, None);
        for part in stored {
            match part.ended {
                None if open.is_none() => open = Some(part),
                Some(_) if last.is_none() => last = Some(part),
                _ => {}
            }
        }
        Self { rule, open, last, lot, next, ..Self::default() }
    }

    /// Whether frames are joined to parts.
    pub(super) fn are_told(&self) -> bool {
        self.rule.is_some()
    }

    /// The part whose frames come now.
    pub(super) fn open(&self) -> Option<&Part> {
        self.open.as_ref()
    }

    /// The last part that ended.
    pub(super) fn last(&self) -> Option<&Part> {
        self.last.as_ref()
    }

    fn begin(&mut self, part: Option<String>, at: i64) {
        let (number, lot) = (self.next, self.lot.clone());
        self.next += 1;
        self.calm = 0;
        self.open = Some(Part {
            number,
            part,
            lot,
            begun: at,
            ended: None,
            captured: None,
            frames: 0,
            first: None,
            last: None,
            first_run: None,
            last_run: None,
            frame: None,
            frame_run: None,
            score: -1.0,
            verdict: "unknown".to_owned(),
            find: None,
        });
        self.keep();
    }

    /// What is open has changed.
    fn keep(&mut self) {
        self.changed.extend(self.open.iter().map(|part| (part.number, part.clone())));
    }

    /// Ends the part whose frames come now.
    pub(super) fn end(&mut self, at: i64) {
        if let Some(mut part) = self.open.take() {
            part.ended = Some(at);
            self.changed.insert(part.number, part.clone());
            self.last = Some(part);
        }
    }

    fn add(&mut self, frame: &Frame) {
        let (number, run) = (i64::try_from(frame.frame).unwrap_or(i64::MAX), Some(frame.run));
        if let Some(part) = &mut self.open {
            part.frames += 1 + std::mem::take(&mut self.calm);
            if part.first.is_none() {
                (part.first, part.first_run, part.captured) = (Some(number), run, frame.captured);
            }
            (part.last, part.last_run) = (Some(number), run);
            if frame.score > part.score {
                (part.score, part.frame, part.frame_run) = (frame.score, Some(number), run);
            }
            if rank(frame.verdict) > rank(&part.verdict) {
                part.verdict = frame.verdict.to_owned();
            }
        }
        self.keep();
    }

    /// Takes a frame that was judged.
    pub(super) fn see(&mut self, frame: &Frame) {
        match self.rule {
            None => {}
            Some(Rule::Message) if self.open.is_some() => self.add(frame),
            Some(Rule::Message) => {}
            Some(Rule::Frames { frames }) => {
                if self.open.is_none() {
                    self.begin(None, frame.at);
                }
                self.add(frame);
                if self.open.as_ref().is_some_and(|part| part.frames >= i64::from(frames)) {
                    self.end(frame.at);
                }
            }
            Some(Rule::Gap { frames }) => {
                if rank(frame.verdict) >= 2 {
                    if self.open.is_none() {
                        self.begin(None, frame.at);
                    }
                    self.add(frame);
                } else if self.open.is_some() {
                    self.calm += 1;
                    if self.calm >= i64::from(frames) {
                        self.end(frame.at);
                    }
                }
            }
        }
    }

    /// A run of the pipeline begins or ends. A part that a message began goes on, for the next message ends it.
    pub(super) fn cut(&mut self, at: i64) {
        if self.rule != Some(Rule::Message) {
            self.end(at);
        }
    }

    /// Takes a message: with parts that messages begin, the frames so far are the last of the part before, and those that
    /// follow are of this one, or of none where it has no name. Otherwise a lot, of the parts that begin from now on.
    ///
    /// # Errors
    /// When the line has no parts, or none that messages begin.
    pub(super) fn hear(&mut self, part: Option<String>, lot: Option<String>, at: i64) -> Result<()> {
        for (name, text) in [("part", &part), ("lot", &lot)] {
            let length = text.as_ref().map_or(1, |text| text.chars().count());
            if !(1..=LONGEST_NAME).contains(&length) {
                bail!("{name}: expected 1 to {LONGEST_NAME} characters, found {length}");
            }
        }
        match self.rule {
            None => bail!("expected a line with [line.parts] in the configuration, found one without"),
            Some(Rule::Message) => {
                self.lot = lot.or_else(|| self.lot.take());
                self.end(at);
                if part.is_some() {
                    self.begin(part, at);
                }
            }
            Some(_) if part.is_some() => {
                bail!("part: expected a line whose parts begin by messages, found one that counts frames")
            }
            Some(_) => self.lot = lot,
        }
        Ok(())
    }

    /// A trigger: the frames so far are the last of the part before, and those that follow are of one without a name.
    ///
    /// # Errors
    /// When the parts of the line do not begin by messages.
    pub(super) fn begin_unnamed(&mut self, at: i64) -> Result<()> {
        if self.rule != Some(Rule::Message) {
            bail!("expected a line whose parts begin by messages, found another one");
        }
        self.end(at);
        self.begin(None, at);
        Ok(())
    }

    /// Numbers of the parts that are shown.
    pub(super) fn shown(&self) -> Vec<i64> {
        self.open.iter().chain(&self.last).map(|part| part.number).collect()
    }

    /// Says which find shows a part worst, where the part is shown.
    pub(super) fn name_find(&mut self, number: i64, find: Option<i64>) {
        for part in self.open.iter_mut().chain(&mut self.last).filter(|part| part.number == number) {
            part.find = find;
        }
    }

    /// Takes back what could not be stored; what has changed meanwhile is newer. Counts those that are too many: they are
    /// lost.
    pub(super) fn give_back(&mut self, parts: Vec<Part>) -> u64 {
        for part in parts {
            self.changed.entry(part.number).or_insert(part);
        }
        let mut lost = 0;
        while self.changed.len() > MOST {
            self.changed.pop_first();
            lost += 1;
        }
        lost
    }

    /// How many are to be stored.
    pub(super) fn unstored(&self) -> u64 {
        self.changed.len() as u64
    }

    /// What is to be stored.
    pub(super) fn take(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.changed).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, verdict: &'static str) -> Frame {
        let score = f64::from(rank(verdict)) / 4.0 + number as f64 / 1000.0;
        let at = 100 * number as i64;
        let captured = Some(at - 7);
        Frame {
            at,
            captured,
            run: 1,
            frame: number,
            score,
            threshold: 0.7,
            low: 0.5,
            verdict,
            ..Frame::default()
        }
    }

    /// Number, frames, first and worst frame, verdict, whether it ended.
    type Told = (i64, i64, Option<i64>, Option<i64>, String, bool);

    fn told(parts: &mut Parts, verdicts: &[&'static str]) -> Vec<Told> {
        verdicts.iter().enumerate().for_each(|(number, verdict)| parts.see(&frame(number as u64, verdict)));
        let told = |part: Part| {
            (part.number, part.frames, part.first, part.frame, part.verdict, part.ended.is_some())
        };
        parts.take().into_iter().map(told).collect()
    }

    #[test]
    fn so_many_frames_are_a_part_with_the_worst_of_their_verdicts() {
        let mut parts = Parts::new(Some(Rule::Frames { frames: 2 }), Vec::new());
        let found = told(&mut parts, &["normal", "anomalous", "normal", "unknown", "uncertain"]);
        assert_eq!(
            found,
            [
                (1, 2, Some(0), Some(1), "anomalous".into(), true),
                (2, 2, Some(2), Some(2), "normal".into(), true),
                (3, 1, Some(4), Some(4), "uncertain".into(), false),
            ]
        );
        // A run that ends cuts the part, and a later start goes on with the next number.
        parts.cut(900);
        let ended = parts.take();
        assert_eq!(ended[0].ended, Some(900));
        let mut parts = Parts::new(Some(Rule::Frames { frames: 2 }), ended);
        assert_eq!(told(&mut parts, &["normal"])[0].0, 4);
    }

    #[test]
    fn a_gap_of_calm_frames_ends_a_part_and_shorter_ones_do_not() {
        let mut parts = Parts::new(Some(Rule::Gap { frames: 2 }), Vec::new());
        let course = ["normal", "uncertain", "normal", "anomalous", "normal", "unknown", "anomalous"];
        let found = told(&mut parts, &course);
        assert_eq!(
            found,
            [
                (1, 3, Some(1), Some(3), "anomalous".into(), true),
                (2, 1, Some(6), Some(6), "anomalous".into(), false),
            ]
        );
        let last = parts.last().unwrap();
        assert_eq!((last.last, last.captured), (Some(3), Some(93)), "captured as its first frame was");
    }

    #[test]
    fn messages_begin_parts_that_outlive_a_run() {
        let mut parts = Parts::new(Some(Rule::Message), Vec::new());
        assert!(told(&mut parts, &["anomalous"]).is_empty(), "before the first message");
        parts.hear(Some("A1".into()), Some("lot 7".into()), 5).unwrap();
        assert_eq!(told(&mut parts, &["normal"])[0].1, 1);
        parts.cut(6);
        let stored = vec![parts.open().unwrap().clone()];
        let mut parts = Parts::new(Some(Rule::Message), stored);
        parts.see(&Frame { run: 2, ..frame(0, "uncertain") });
        assert_eq!(parts.shown(), [1]);
        parts.name_find(1, Some(40));
        parts.hear(Some("A2".into()), None, 9).unwrap();
        assert_eq!((parts.shown(), parts.last().unwrap().find), (vec![2, 1], Some(40)));
        let found = parts.take();
        assert_eq!((found[0].part.as_deref(), found[0].frames, found[0].ended), (Some("A1"), 2, Some(9)));
        let runs = [found[0].first_run, found[0].last_run, found[0].frame_run];
        assert_eq!(runs, [Some(1), Some(2), Some(2)], "{:?}", found[0]);
        assert_eq!((found[0].verdict.as_str(), found[1].lot.as_deref()), ("uncertain", Some("lot 7")));
        // Without a name the last part ends, and none begins.
        parts.hear(None, None, 10).unwrap();
        assert!(parts.open().is_none() && told(&mut parts, &["normal"]).iter().all(|part| part.0 == 2));
    }

    #[test]
    fn messages_that_make_no_sense_are_refused_and_change_nothing() {
        let mut none = Parts::default();
        assert!(none.hear(Some("A".into()), None, 0).is_err());
        let mut counted = Parts::new(Some(Rule::Frames { frames: 1 }), Vec::new());
        assert!(counted.hear(Some("A".into()), None, 0).is_err());
        counted.hear(None, Some("L".into()), 0).unwrap();
        counted.see(&frame(0, "normal"));
        assert_eq!(counted.last().unwrap().lot.as_deref(), Some("L"));
        let mut told = Parts::new(Some(Rule::Message), Vec::new());
        for name in [String::new(), "x".repeat(LONGEST_NAME + 1)] {
            assert!(
                told.hear(Some(name.clone()), None, 0).is_err() && told.hear(None, Some(name), 0).is_err()
            );
        }
        assert!(told.open().is_none());
    }
}
