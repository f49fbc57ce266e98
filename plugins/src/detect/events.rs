//! From verdicts of single frames to defects that begin and end.

use gst::ClockTime;

use crate::meta::{AnomalyMeta, verdict};

/// An analysed frame, with its running times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) begin: Option<ClockTime>,
    pub(super) end: Option<ClockTime>,
    pub(super) score: f64,
    pub(super) verdict: &'a str,
}

/// A defect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Number since the element started, from 0.
    pub(super) id: u64,
    /// Running time of its first anomalous frame.
    pub(super) begin: Option<ClockTime>,
    /// Running time of the end of its last anomalous frame.
    pub(super) end: Option<ClockTime>,
    /// Highest image score.
    pub(super) peak_score: f64,
    /// Running time of the frame with that score.
    pub(super) peak_time: Option<ClockTime>,
    /// Anomalous frames.
    pub(super) frames: u64,
}

/// What a frame changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// A defect was confirmed.
    Begin(Event),
    /// It is over.
    End(Event),
}

/// Debounces verdicts.
///
/// A defect begins with the first of `confirm-frames` anomalous frames in a row, and ends with the last anomalous frame
/// once a normal one comes `hold-time` after it. Uncertain frames begin nothing and end nothing, so that a score that
/// swings about the threshold is one defect.
#[derive(Debug, Default)]
pub(super) struct Events {
    next_id: u64,
    candidate: Option<Event>,
    open: Option<Event>,
}

impl Event {
    fn new(id: u64, sight: &Sight<'_>) -> Self {
        Self {
            id,
            begin: sight.begin,
            end: sight.end,
            peak_score: sight.score,
            peak_time: sight.begin,
            frames: 1,
        }
    }

    fn extend(&mut self, sight: &Sight<'_>) {
        self.end = sight.end;
        self.frames += 1;
        if sight.score > self.peak_score {
            (self.peak_score, self.peak_time) = (sight.score, sight.begin);
        }
    }
}

impl Events {
    /// Takes the next analysed frame.
    pub(super) fn see(&mut self, sight: &Sight<'_>, confirm_frames: u32, hold: ClockTime) -> Option<Change> {
        match sight.verdict {
            verdict::ANOMALOUS => {
                if let Some(open) = &mut self.open {
                    open.extend(sight);
                    return None;
                }
                let candidate = match self.candidate.take() {
                    Some(mut candidate) => {
                        candidate.extend(sight);
                        candidate
                    }
                    None => Event::new(self.next_id, sight),
                };
                if candidate.frames < u64::from(confirm_frames) {
                    self.candidate = Some(candidate);
                    return None;
                }
                self.next_id += 1;
                self.open = Some(candidate.clone());
                Some(Change::Begin(candidate))
            }
            verdict::UNCERTAIN => {
                self.candidate = None;
                None
            }
            _ => {
                self.candidate = None;
                let end = self.open.as_ref()?.end;
                // A stream without times has nothing to hold by.
                let held = sight.begin.zip(end).is_some_and(|(now, end)| now < end.saturating_add(hold));
                if held { None } else { self.open.take().map(Change::End) }
            }
        }
    }

    /// Ends what is open: the stream, or the trust in it, ends here.
    pub(super) fn close(&mut self) -> Option<Change> {
        self.candidate = None;
        self.open.take().map(Change::End)
    }

    /// As [`Events::close`], and the next defect is number 0 again.
    pub(super) fn reset(&mut self) -> Option<Change> {
        self.next_id = 0;
        self.close()
    }
}

impl<'a> Sight<'a> {
    /// The frame that `meta` belongs to.
    pub(super) fn new(meta: &'a AnomalyMeta, begin: Option<u64>, duration: Option<u64>) -> Self {
        let begin = begin.map(ClockTime::from_nseconds);
        let duration = ClockTime::from_nseconds(duration.unwrap_or_default());
        Self {
            begin,
            end: begin.map(|begin| begin.saturating_add(duration)),
            score: meta.score,
            verdict: &meta.verdict,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: ClockTime = ClockTime::from_mseconds(40);

    /// Begins (with first frame and id) and ends (with frame after the last, frames, peak) for a string of verdicts.
    fn run(verdicts: &str, confirm: u32, hold: ClockTime) -> Vec<String> {
        let mut events = Events::default();
        let mut told = Vec::new();
        let mut tell = |at: usize, change: Option<Change>| {
            let frame = |time: Option<ClockTime>| time.unwrap().nseconds() / FRAME.nseconds();
            match change {
                Some(Change::Begin(e)) => told.push(format!("{at}: begin {} at {}", e.id, frame(e.begin))),
                Some(Change::End(e)) => {
                    told.push(format!("{at}: end {} at {} of {}", e.id, frame(e.end), e.frames));
                }
                None => {}
            }
        };
        for (n, verdict) in verdicts.chars().enumerate() {
            let begin = FRAME * n as u64;
            let verdict = match verdict {
                'a' => verdict::ANOMALOUS,
                'u' => verdict::UNCERTAIN,
                _ => verdict::NORMAL,
            };
            let sight = Sight { begin: Some(begin), end: Some(begin + FRAME), score: 0.5, verdict };
            tell(n, events.see(&sight, confirm, hold));
        }
        tell(verdicts.len(), events.close());
        told
    }

    #[test]
    fn each_run_is_an_event_without_debounce() {
        let told = run("nanaan", 1, ClockTime::ZERO);
        assert_eq!(told, ["1: begin 0 at 1", "2: end 0 at 2 of 1", "3: begin 1 at 3", "5: end 1 at 5 of 2"]);
    }

    #[test]
    fn short_runs_are_not_confirmed_and_the_begin_is_the_first_frame() {
        assert_eq!(run("nanaanaaan", 3, ClockTime::ZERO), ["8: begin 0 at 6", "9: end 0 at 9 of 3"]);
    }

    #[test]
    fn a_short_pause_is_held_over() {
        assert_eq!(run("annannnn", 1, FRAME * 3), ["0: begin 0 at 0", "7: end 0 at 4 of 2"]);
    }

    #[test]
    fn a_hold_time_beyond_all_times_holds_until_the_end() {
        assert_eq!(run("nannan", 1, ClockTime::MAX), ["1: begin 0 at 1", "6: end 0 at 5 of 2"]);
    }

    #[test]
    fn uncertain_frames_begin_nothing_and_end_nothing() {
        assert_eq!(run("uuauuan", 1, ClockTime::ZERO), ["2: begin 0 at 2", "6: end 0 at 6 of 2"]);
        assert!(run("auaua", 2, ClockTime::ZERO).is_empty());
    }

    #[test]
    fn what_is_open_at_the_end_is_closed_once() {
        assert_eq!(run("naa", 1, FRAME * 10), ["1: begin 0 at 1", "3: end 0 at 3 of 2"]);
    }

    #[test]
    fn the_peak_is_the_frame_of_the_highest_score() {
        let mut events = Events::default();
        for (n, score) in [0.6, 0.9, 0.7].into_iter().enumerate() {
            let begin = Some(FRAME * n as u64);
            let sight = Sight { begin, end: begin, score, verdict: verdict::ANOMALOUS };
            events.see(&sight, 1, ClockTime::ZERO);
        }
        let Some(Change::End(event)) = events.reset() else { unreachable!() };
        assert_eq!((event.peak_score, event.peak_time), (0.9, Some(FRAME)));
        assert_eq!(events.close(), None);
    }

    #[test]
    fn without_times_a_normal_frame_ends_an_event_at_once() {
        let mut events = Events::default();
        let sight = |verdict| Sight { begin: None, end: None, score: 0.5, verdict };
        assert!(matches!(events.see(&sight(verdict::ANOMALOUS), 1, FRAME), Some(Change::Begin(_))));
        assert!(matches!(events.see(&sight(verdict::NORMAL), 1, FRAME), Some(Change::End(_))));
    }
}
