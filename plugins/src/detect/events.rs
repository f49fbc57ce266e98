//! From verdicts of single frames to defects that begin and end.

use std::collections::VecDeque;

use gst::ClockTime;
use gst::prelude::MulDiv;
use snarm_core::bank::Calibration;
use snarm_core::detect::Verdict;
use snarm_core::results::Record;

/// An analysed frame, with its running times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) begin: Option<ClockTime>,
    /// How long the frame is shown, as it says itself, else as the frame rate of its stream says.
    pub(super) shown: Option<ClockTime>,
    /// Analysed frames are that far apart, as long as each is shown for that time.
    pub(super) step: Option<ClockTime>,
    pub(super) score: f64,
    pub(super) verdict: Verdict,
    /// Whether its score lies nearer to the threshold than to that of good frames.
    pub(super) near: bool,
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

/// What a frame changed: a jump of time can end a defect and begin another with one frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Change {
    /// A defect that is over, and why.
    pub(super) end: Option<(Event, Reason)>,
    /// A defect that was confirmed after it.
    pub(super) begin: Option<Event>,
}

/// Why a frame ended a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Enough normal frames came.
    Normal,
    /// Time jumped: what comes is not known to go on where the defect was.
    Jump,
}

impl Reason {
    /// The word of the messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Jump => "jump",
        }
    }
}

/// How far the times of two frames may lie out of order before that is a jump: clocks of cameras waver.
const WAVER: ClockTime = ClockTime::from_seconds(1);

/// Steps of time that frames may be late before that is a jump.
const LATE: u64 = 10;

/// Frames that the usual gap is taken of.
const GAPS: usize = 32;

/// A usual gap that is apart from the one before by no more than this part of it is the same.
const STEADY: u64 = 20;

/// Half a second: a defect that flickers, or is hidden for a moment, is one defect.
const HOLD: ClockTime = ClockTime::from_mseconds(500);

/// For so many times as long as good frames are high together a defect is held at least.
const HELD_RUNS: f64 = 2.0;

/// The hold time where it is left open: half a second, or twice as long as the learned frames of a stream were high together, as
/// a defect that is about as high as the threshold comes and goes no faster than they do.
pub(super) fn usual_hold(calibration: Option<&Calibration>) -> ClockTime {
    let together = calibration.and_then(Calibration::run_time).unwrap_or_default();
    HOLD.max(ClockTime::from_nseconds((HELD_RUNS * together * 1e9) as u64))
}

/// Debounces verdicts.
///
/// A defect begins with the first of `confirm-frames` anomalous frames in a row, and ends with the last anomalous frame
/// once a normal one comes `hold-time` after it. Uncertain frames, and normal ones whose score lies nearer to the threshold
/// than to that of good frames, begin nothing and end nothing, so that a score that swings about the threshold is one
/// defect.
///
/// Times may jump, as when the clock of a camera is set. A frame that comes more than [`WAVER`] before the last one, or
/// before the defect that is open, or after the last one by more than the hold time, [`LATE`] usual steps and [`WAVER`],
/// ends what is open where it was seen last, and is in a row with nothing. So no defect ends before it begins, and none
/// lasts for as long as a clock was wrong. A second gap like the one before it is no jump: frames are rare.
///
/// A frame without a time is taken to come one step after the last one. A step is what frames say of it, else the last
/// time between two of them that was no jump.
#[derive(Debug, Default)]
pub(super) struct Events {
    next_id: u64,
    candidate: Option<Event>,
    open: Option<Event>,
    /// When the last frame began.
    last: Option<ClockTime>,
    /// The step that the last frame stated, of those that state one.
    stated: Option<ClockTime>,
    /// Time between the last two frames between which there was no jump.
    seen: Option<ClockTime>,
    /// The last jump forward, if it was between the last two frames.
    jump: Option<ClockTime>,
    /// The last times between two frames between which there was no jump.
    gaps: VecDeque<ClockTime>,
    /// The usual one of them, as it was told last.
    step: Option<ClockTime>,
}

impl Event {
    fn new(id: u64, sight: &Sight) -> Self {
        Self {
            id,
            begin: sight.begin,
            end: sight.end(),
            peak_score: sight.score,
            peak_time: sight.begin,
            frames: 1,
        }
    }

    fn extend(&mut self, sight: &Sight) {
        self.end = self.end.max(sight.end());
        self.frames += 1;
        if sight.score > self.peak_score {
            // A clock that wavers may show a time before that of the first frame.
            (self.peak_score, self.peak_time) =
                (sight.score, sight.begin.map(|at| at.max(self.begin.unwrap_or(at))));
        }
    }
}

impl Events {
    /// Takes the next analysed frame.
    pub(super) fn see(&mut self, sight: &Sight, confirm_frames: u32, hold: ClockTime) -> Change {
        let sight = &self.timed(sight);
        let jumped = self.jumps(sight, hold);
        self.remember(sight, jumped);
        let mut change = Change::default();
        if jumped {
            self.candidate = None;
            change.end = self.open.take().map(|event| (event, Reason::Jump));
        }
        match sight.verdict {
            Verdict::Anomalous => change.begin = self.see_anomalous(sight, confirm_frames),
            Verdict::Uncertain => self.candidate = None,
            Verdict::Normal if sight.near => self.candidate = None,
            _ => {
                self.candidate = None;
                let end = self.open.as_ref().and_then(|open| open.end);
                // A stream without times has nothing to hold by.
                let held = sight.begin.zip(end).is_some_and(|(now, end)| now < end.saturating_add(hold));
                if !held {
                    change.end = self.open.take().map(|event| (event, Reason::Normal)).or(change.end);
                }
            }
        }
        change
    }

    /// The defect that an anomalous frame confirms.
    fn see_anomalous(&mut self, sight: &Sight, confirm_frames: u32) -> Option<Event> {
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
        Some(candidate)
    }

    /// The frame with the time that it would have a step after the one before it, if it has none.
    fn timed(&self, sight: &Sight) -> Sight {
        let mut sight = *sight;
        let step = sight.step.or(self.stated).or(self.seen);
        if let (None, Some(last), Some(step)) = (sight.begin, self.last, step) {
            sight.begin = Some(last.saturating_add(step));
            sight.shown = sight.shown.or(Some(step));
        }
        sight
    }

    /// Whether the frame does not go on from the one before it.
    fn jumps(&self, sight: &Sight, hold: ClockTime) -> bool {
        let (Some(now), Some(last)) = (sight.begin, self.last) else { return false };
        let open = self.open.as_ref().or(self.candidate.as_ref()).and_then(|event| event.begin);
        let before = |time: ClockTime| now.saturating_add(WAVER) < time;
        if before(last) || open.is_some_and(before) {
            return true;
        }
        let gap = now.saturating_sub(last);
        let usual = sight.step.or(self.stated).max(self.seen).unwrap_or_default();
        let late = hold.saturating_add(usual.saturating_mul(LATE)).saturating_add(WAVER);
        let alike = |jump: ClockTime| jump <= gap.saturating_mul(2) && gap <= jump.saturating_mul(2);
        gap > late && !self.jump.is_some_and(alike)
    }

    fn remember(&mut self, sight: &Sight, jumped: bool) {
        let Some(now) = sight.begin else { return };
        let gap = self.last.map(|last| now.saturating_sub(last)).filter(|gap| !gap.is_zero());
        self.jump = gap.filter(|_| jumped);
        if !jumped {
            self.seen = gap.or(self.seen);
            if let Some(gap) = gap {
                self.gaps.truncate(GAPS - 1);
                self.gaps.push_front(gap);
            }
        }
        self.stated = sight.step.or(self.stated);
        self.last = Some(now);
    }

    /// The usual time between analysed frames, as their times show it. One that is a little longer or shorter than what was
    /// said before is the same: times waver, and limits that follow from them would, too.
    pub(super) fn step(&mut self) -> Option<ClockTime> {
        let mut sorted = [ClockTime::ZERO; GAPS];
        let sorted = &mut sorted[..self.gaps.len()];
        sorted.iter_mut().zip(&self.gaps).for_each(|(to, gap)| *to = *gap);
        sorted.sort_unstable();
        let seen = sorted.get(sorted.len() / 2).copied();
        let apart = |a: ClockTime, b: ClockTime| a.nseconds().abs_diff(b.nseconds());
        if seen.zip(self.step).is_none_or(|(seen, said)| apart(seen, said) > said.nseconds() / STEADY) {
            self.step = seen;
        }
        self.step
    }

    /// Ends what is open: the stream, or the trust in it, ends here.
    pub(super) fn close(&mut self) -> Option<Event> {
        (self.candidate, self.last) = (None, None);
        (self.stated, self.seen, self.jump) = (None, None, None);
        self.gaps.clear();
        self.step = None;
        self.open.take()
    }

    /// As [`Events::close`], and the next defect is number 0 again.
    pub(super) fn reset(&mut self) -> Option<Event> {
        self.next_id = 0;
        self.close()
    }
}

impl Sight {
    /// The frame that `record` tells of, scored as `calibration` says: each `interval`th of a stream with this frame
    /// rate.
    pub(super) fn new(
        record: &Record,
        calibration: Option<&Calibration>,
        rate: gst::Fraction,
        interval: u32,
    ) -> Self {
        let some = |time: &ClockTime| !time.is_zero();
        let duration = record.duration.map(ClockTime::from_nseconds).filter(some);
        let by_rate = || {
            let [frames, seconds] =
                [rate.numer(), rate.denom()].map(|n| u64::try_from(n).unwrap_or_default());
            ClockTime::SECOND.mul_div_floor(seconds, frames.max(1)).filter(|time| frames > 0 && some(time))
        };
        let shown = duration.or_else(by_rate);
        Self {
            begin: record.running_time.map(ClockTime::from_nseconds),
            shown,
            step: shown.map(|shown| shown.saturating_mul(u64::from(interval.max(1)))),
            score: record.score,
            verdict: record.verdict,
            near: calibration.is_some_and(|known| record.score >= known.half_way(record.threshold)),
        }
    }

    /// When the frame is shown no more; not before it is.
    fn end(&self) -> Option<ClockTime> {
        self.begin.map(|begin| begin.saturating_add(self.shown.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: ClockTime = ClockTime::from_mseconds(40);

    /// A frame at this time, which says for how long it is shown if it has a time.
    fn sight(begin: Option<ClockTime>, verdict: Verdict) -> Sight {
        let shown = begin.and(Some(FRAME));
        Sight { begin, shown, step: shown, score: 0.5, verdict, near: false }
    }

    /// Begins (with first frame and id) and ends (with frame after the last, frames, peak) for a string of verdicts.
    fn run(verdicts: &str, confirm: u32, hold: ClockTime) -> Vec<String> {
        let mut events = Events::default();
        let mut told = Vec::new();
        let mut tell = |at: usize, end: Option<Event>, begin: Option<Event>| {
            let frame = |time: Option<ClockTime>| time.unwrap().nseconds() / FRAME.nseconds();
            told.extend(end.map(|e| format!("{at}: end {} at {} of {}", e.id, frame(e.end), e.frames)));
            told.extend(begin.map(|e| format!("{at}: begin {} at {}", e.id, frame(e.begin))));
        };
        for (n, letter) in verdicts.chars().enumerate() {
            let begin = FRAME * n as u64;
            let verdict = match letter {
                'a' => Verdict::Anomalous,
                'u' => Verdict::Uncertain,
                _ => Verdict::Normal,
            };
            let sight = Sight { near: letter == '-', ..sight(Some(begin), verdict) };
            let change = events.see(&sight, confirm, hold);
            tell(n, change.end.map(|(event, _)| event), change.begin);
        }
        tell(verdicts.len(), events.close(), None);
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
    fn a_score_that_swings_about_the_threshold_is_one_defect() {
        // Normal frames near to the threshold are dashes.
        assert_eq!(run("--a--a--nn", 1, ClockTime::ZERO), ["2: begin 0 at 2", "8: end 0 at 6 of 2"]);
        assert!(run("-a-a-", 2, ClockTime::ZERO).is_empty());
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
            let sight = Sight { score, near: true, ..sight(begin, Verdict::Anomalous) };
            events.see(&sight, 1, ClockTime::ZERO);
        }
        let event = events.reset().unwrap();
        assert_eq!((event.peak_score, event.peak_time), (0.9, Some(FRAME)));
        assert_eq!(events.close(), None);
    }

    #[test]
    fn without_times_a_normal_frame_ends_an_event_at_once() {
        let mut events = Events::default();
        assert!(events.see(&sight(None, Verdict::Anomalous), 1, FRAME).begin.is_some());
        assert!(events.see(&sight(None, Verdict::Normal), 1, FRAME).end.is_some());
    }

    /// Defects of anomalous (`true`) and normal frames at these times, in milliseconds, each as begin, end and frames; that
    /// of the end of the stream is the last.
    fn defects(frames: &[(Option<u64>, bool)], confirm: u32, hold: u64) -> Vec<(u64, u64, u64)> {
        let mut events = Events::default();
        let mut ended = Vec::new();
        for &(begin, anomalous) in frames {
            let begin = begin.map(ClockTime::from_mseconds);
            let verdict = if anomalous { Verdict::Anomalous } else { Verdict::Normal };
            let change = events.see(&sight(begin, verdict), confirm, ClockTime::from_mseconds(hold));
            ended.extend(change.end.map(|(event, _)| event));
        }
        ended.extend(events.close());
        ended.iter().map(in_milliseconds).collect()
    }

    /// Begin, end and frames.
    fn in_milliseconds(event: &Event) -> (u64, u64, u64) {
        let milliseconds = |time: Option<ClockTime>| time.unwrap().mseconds();
        (milliseconds(event.begin), milliseconds(event.end), event.frames)
    }

    /// Frames from this time on, 40 ms apart.
    fn frames(from: u64, anomalous: &str) -> Vec<(Option<u64>, bool)> {
        (0..).zip(anomalous.chars()).map(|(n, c)| (Some(from + 40 * n), c == 'a')).collect()
    }

    #[test]
    fn a_clock_that_is_set_back_ends_the_defect_where_it_was_seen_last() {
        for after in ["nnnnnnnnnnnn", "aannnnnnnnnnnn"] {
            let stream = [frames(100_000, "aaa"), frames(0, after)].concat();
            let told = defects(&stream, 1, 400);
            assert_eq!(told[0], (100_000, 100_120, 3), "{after}");
            assert_eq!(told.get(1), after.starts_with('a').then_some(&(0, 80, 2)), "{after}");
        }
    }

    #[test]
    fn a_clock_that_is_set_forward_does_so_too() {
        let stream = [frames(0, "naa"), frames(90_000_000, "aan")].concat();
        assert_eq!(defects(&stream, 1, 0), [(40, 120, 2), (90_000_000, 90_000_080, 2)]);
        // Frames from before and after a jump are not in a row.
        assert_eq!(defects(&stream, 3, 0), []);
    }

    #[test]
    fn a_clock_that_wavers_is_no_jump_and_makes_no_end_before_its_begin() {
        let times = [0, 40, 20, 100, 60, 200, 180, 300];
        let stream: Vec<_> = times.map(|time| (Some(time), time > 0)).to_vec();
        assert_eq!(defects(&stream, 1, 0), [(40, 340, 7)]);
        // Back by less than a second at a time, and by more in the end.
        let stream = [frames(3000, "naa"), frames(2400, "aa"), frames(1900, "aannn")].concat();
        assert_eq!(defects(&stream, 1, 0), [(3040, 3120, 4), (1900, 1980, 2)]);
    }

    #[test]
    fn rare_frames_are_no_jump() {
        let stream: Vec<_> = [0, 60_000, 121_000, 180_000, 241_000].map(|t| (Some(t), t > 0)).to_vec();
        assert_eq!(defects(&stream, 1, 0), [(60_000, 241_040, 4)]);
    }

    #[test]
    fn frames_whose_times_are_missing_come_a_step_after_those_before() {
        let mut stream = frames(0, "naannnnnn");
        for frame in [2, 4, 5, 6, 7] {
            stream[frame].0 = None;
        }
        // Held for three frames, and ended by the fourth.
        assert_eq!(defects(&stream, 1, 120), [(40, 120, 2)]);
        let lost = [frames(100, "naa"), vec![(None, false); 20]].concat();
        assert_eq!(defects(&lost, 1, 120), [(140, 220, 2)]);
        let mut events = Events::default();
        events.see(&sight(Some(FRAME), Verdict::Anomalous), 1, FRAME);
        let lost = sight(None, Verdict::Normal);
        let ends = (0..9).filter(|_| events.see(&lost, 1, FRAME * 3).end.is_some()).count();
        assert_eq!(ends, 1, "a defect does not end when times do");
    }

    /// The record of an anomalous frame without a duration, at this time in milliseconds.
    fn record(begin: Option<u64>) -> Record {
        let limits = snarm_core::detect::Limits {
            threshold: 0.5,
            threshold_low: None,
            pixel_threshold: 0.5,
            min_area: 0.0,
            max_regions: 0,
        };
        let running_time = begin.map(|begin| begin * 1_000_000);
        Record { running_time, score: 0.9, verdict: Verdict::Anomalous, ..Record::unknown(&limits) }
    }

    /// Defects of such frames of a stream of so many frames a second (0 = it does not say), and why they ended.
    fn without_durations(rate: i32, interval: u32, times: &[Option<u64>]) -> Vec<(u64, u64, u64)> {
        let (mut events, mut ended) = (Events::default(), Vec::new());
        for time in times {
            let sight = Sight::new(&record(*time), None, gst::Fraction::new(rate, 1), interval);
            let end = events.see(&sight, 1, ClockTime::from_mseconds(500)).end;
            ended.extend(end.map(|(event, reason)| {
                assert_eq!(reason, Reason::Jump);
                event
            }));
        }
        ended.extend(events.close());
        ended.iter().map(in_milliseconds).collect()
    }

    #[test]
    fn frames_without_durations_are_a_step_of_their_rate_apart_and_no_jump() {
        let hour = 3_600_000;
        let stream = [Some(0), Some(hour), None, None, None];
        assert_eq!(without_durations(10, 1, &stream), [(0, 100, 1), (hour, hour + 400, 4)]);
        // Each third one is analysed.
        assert_eq!(without_durations(10, 3, &stream), [(0, 100, 1), (hour, hour + 1000, 4)]);
        // Neither are they so far apart as a camera once paused.
        let paused = [Some(0), Some(1400), None, None];
        assert_eq!(without_durations(10, 1, &paused), [(0, 1700, 4)]);
    }

    #[test]
    fn without_a_rate_no_step_comes_from_a_jump() {
        let hour = 3_600_000;
        let stream = [Some(0), Some(hour), None, None];
        assert_eq!(without_durations(0, 1, &stream), [(0, 0, 1), (hour, hour, 3)]);
        let stream = [Some(0), Some(40), Some(hour), None, None];
        assert_eq!(without_durations(0, 1, &stream), [(0, 40, 2), (hour, hour + 120, 3)]);
        // Two jumps that are not alike.
        let stream = [Some(0), Some(hour), Some(4 * hour), None];
        assert_eq!(without_durations(0, 1, &stream), [(0, 0, 1), (hour, hour, 1), (4 * hour, 4 * hour, 2)]);
        // Rare frames.
        let stream = [Some(0), Some(60_000), Some(121_000), Some(180_000)];
        assert_eq!(without_durations(0, 1, &stream), [(0, 0, 1), (60_000, 180_000, 3)]);
    }

    /// A calibration whose raw scores have those logarithms, of a stream with that time between frames.
    fn calibration(logs: &[f64], step: f64) -> Calibration {
        let raws: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        let single = Calibration::new("x", true, &raws, &raws).unwrap();
        // In a chain that goes on with probability c, runs are 1 / (1 - c) long.
        let mut sorted = logs.to_vec();
        sorted.sort_by(f64::total_cmp);
        let level = sorted[logs.len() * 4 / 5];
        let high: Vec<&[f64]> = logs.windows(2).filter(|pair| pair[0] > level).collect();
        let on = high.iter().filter(|pair| pair[1] > level).count() as f64;
        Calibration { run: 1.0 / (1.0 - on / (high.len() as f64 + 1.0)), step: Some(step), ..single }
    }

    /// Logarithms of scores of good frames whose neighbours are alike, and the seed of what comes.
    struct Good {
        state: u64,
        last: f64,
    }

    impl Good {
        const ALIKE: f64 = 0.8;

        /// A sum of twelve even numbers is nearly normal. (xorshift64*)
        fn next(&mut self) -> f64 {
            let mut even = || {
                self.state ^= self.state >> 12;
                self.state ^= self.state << 25;
                self.state ^= self.state >> 27;
                (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
            };
            let normal = (0..12).map(|_| even()).sum::<f64>() - 6.0;
            self.last = Self::ALIKE * self.last + (1.0 - Self::ALIKE * Self::ALIKE).sqrt() * normal;
            self.last
        }
    }

    /// An analysed frame with that logarithm of its score.
    fn scored(at: u64, log: f64, known: &Calibration, threshold: f64) -> Sight {
        let score = known.score(log.exp());
        let verdict = if score >= threshold { Verdict::Anomalous } else { Verdict::Normal };
        let near = score >= known.half_way(threshold);
        let step = Some(STEP);
        Sight { begin: Some(STEP * at), shown: step, step, score, verdict, near }
    }

    const STEP: ClockTime = ClockTime::from_mseconds(200);

    #[test]
    fn alarms_of_a_hundred_hours_are_as_many_as_were_promised() {
        let (per_hour, rate, banks) = (20.0, 5.0, 10);
        let frames = (10.0 * 3600.0 * rate) as u64;
        let (mut begun, mut kept) = (0, 0);
        for bank in 0..banks {
            let mut good = Good { state: 0x9e37_79b9 * (bank + 1), last: 0.0 };
            // Seeds that are alike draw alike numbers at first.
            for _ in 0..100 {
                good.next();
            }
            let learned: Vec<f64> = (0..1000).map(|_| 0.3 * good.next()).collect();
            let known = calibration(&learned, 0.2);
            assert!(known.run > 1.8, "{}", known.run);
            let (threshold, hold) = (known.threshold_at_events(per_hour, rate), usual_hold(Some(&known)));
            assert!(hold >= HOLD, "{hold}");
            let (mut events, mut own) = (Events::default(), 0);
            for at in 0..frames {
                let sight = scored(at, 0.3 * good.next(), &known, threshold);
                own += u32::from(events.see(&sight, 1, hold).begin.is_some());
            }
            begun += own;
            kept += u32::from(f64::from(own) <= 10.0 * per_hour);
        }
        assert!(kept >= 6, "the promise is kept by {kept} of {banks} banks");
        let per_hour_found = f64::from(begun) / 100.0;
        assert!(per_hour_found <= 1.5 * per_hour, "{per_hour_found} an hour for {per_hour}");
        assert!(per_hour_found > 0.05 * per_hour, "blind: {per_hour_found} an hour for {per_hour}");
    }

    #[test]
    fn a_defect_that_swings_about_the_threshold_and_is_hidden_for_a_moment_is_one_event() {
        let mut good = Good { state: 5, last: 0.0 };
        let learned: Vec<f64> = (0..1000).map(|_| 0.3 * good.next()).collect();
        let known = calibration(&learned, 0.2);
        let (threshold, hold) = (known.threshold_at_events(20.0, 5.0), usual_hold(Some(&known)));
        let limit = 0.5 * (threshold / (1.0 - threshold)).ln() + known.reference.ln();
        let mut events = Events::default();
        let (mut begun, mut ended) = (0, 0);
        for at in 0..200 {
            let log = match at {
                // Higher and lower than the threshold, and twice below what good frames usually score.
                60..=99 if at % 20 == 7 => -0.3,
                60..=99 => limit + if at % 3 == 0 { 0.2 } else { -0.05 },
                _ => 0.0,
            };
            let change = events.see(&scored(at, log, &known, threshold), 1, hold);
            begun += u32::from(change.begin.is_some());
            ended += u32::from(change.end.is_some());
        }
        assert_eq!((begun, ended), (1, 1));
    }

    #[test]
    fn the_hold_time_that_is_left_open_is_half_a_second_where_runs_are_short() {
        assert_eq!(usual_hold(None), HOLD);
        let known = calibration(&[0.0, 0.1, 0.2], 0.04);
        for (run, step, expected) in [
            (4.0, Some(0.04), HOLD),
            (11.0, Some(0.04), ClockTime::from_mseconds(800)),
            (1.0, Some(60.0), HOLD),
            (9.0, None, HOLD),
        ] {
            let found = usual_hold(Some(&Calibration { run, step, ..known.clone() }));
            assert!(found.absdiff(expected) < ClockTime::from_mseconds(1), "{run} {step:?}: {found}");
        }
    }

    #[test]
    fn the_usual_step_is_that_between_frames_without_jumps() {
        let mut events = Events::default();
        assert_eq!(events.step(), None);
        for at in [0, 40, 80, 200, 240, 90_000, 90_040] {
            let begin = Some(ClockTime::from_mseconds(at));
            events.see(&Sight { shown: None, step: None, ..sight(begin, Verdict::Normal) }, 1, HOLD);
        }
        assert_eq!(events.step(), Some(FRAME));
        events.close();
        assert_eq!(events.step(), None);
    }
}
