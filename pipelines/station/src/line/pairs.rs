//! What the bank in use and its shadow say of the same frame, which comes two ways: joined by the number of the frame.

use std::collections::BTreeMap;

use crate::store::{Compared, Frame, Judged};

/// Most frames that wait for the other one's verdict. Those before are of frames that only one of both judged.
const WAITING: usize = 1024;

/// What is known of a frame.
#[derive(Debug, Default)]
struct Pair {
    /// Of the bank in use: the time, the digest of the bank, and what it says.
    running: Option<(i64, String, Judged)>,
    shadow: Option<Judged>,
}

/// The frames of one run of a pipeline.
#[derive(Debug)]
pub(super) struct Pairs {
    version: i64,
    waiting: BTreeMap<u64, Pair>,
    joined: Vec<Compared>,
}

impl Pairs {
    /// Of a shadow of that version.
    pub(super) fn new(version: i64) -> Self {
        Self { version, waiting: BTreeMap::new(), joined: Vec::new() }
    }

    /// Takes a frame that the bank in use judged.
    pub(super) fn see(&mut self, frame: &Frame) {
        let judged =
            Judged { score: frame.score, threshold: frame.threshold, verdict: frame.verdict.to_owned() };
        let running = (frame.at, frame.bank.clone(), judged);
        self.waiting.entry(frame.frame).or_default().running = Some(running);
        self.join(frame.frame);
    }

    /// Takes a frame that the shadow judged.
    pub(super) fn see_shadow(&mut self, frame: u64, judged: Judged) {
        self.waiting.entry(frame).or_default().shadow = Some(judged);
        self.join(frame);
    }

    fn join(&mut self, frame: u64) {
        match self.waiting.remove(&frame) {
            Some(Pair { running: Some((at, bank, running)), shadow: Some(shadow) }) => {
                // A frame without a verdict, as it is blurred, was not judged.
                if running.is_verdict() && shadow.is_verdict() {
                    self.joined.push(Compared { at, frame, bank, running, shadow });
                }
            }
            half => {
                self.waiting.extend(half.map(|half| (frame, half)));
                if self.waiting.len() > WAITING {
                    self.waiting.pop_first();
                }
            }
        }
    }

    /// The version of the shadow, and the frames that both judged since the last time; nothing where there are none.
    pub(super) fn take(&mut self) -> Option<(i64, Vec<Compared>)> {
        (!self.joined.is_empty()).then(|| (self.version, std::mem::take(&mut self.joined)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u64, verdict: &'static str) -> Frame {
        let bank = "b".to_owned();
        Frame {
            at: 100,
            frame: number,
            score: 0.2,
            threshold: 0.5,
            low: -1.0,
            verdict,
            bank,
            ..Frame::default()
        }
    }

    fn judged(verdict: &str) -> Judged {
        Judged { score: 0.7, threshold: 0.5, verdict: verdict.to_owned() }
    }

    #[test]
    fn verdicts_of_a_frame_are_joined_whichever_comes_first() {
        let mut pairs = Pairs::new(3);
        assert!(pairs.take().is_none());
        pairs.see_shadow(0, judged("anomalous"));
        pairs.see(&frame(1, "normal"));
        pairs.see(&frame(0, "normal"));
        pairs.see_shadow(1, judged("normal"));
        pairs.see(&frame(2, "normal"));
        let (version, joined) = pairs.take().unwrap();
        let told: Vec<(u64, &str, &str)> =
            joined.iter().map(|c| (c.frame, c.running.verdict.as_str(), c.shadow.verdict.as_str())).collect();
        assert_eq!((version, told), (3, vec![(0, "normal", "anomalous"), (1, "normal", "normal")]));
        assert_eq!((joined[0].bank.as_str(), joined[0].shadow.score), ("b", 0.7));
        assert!(pairs.take().is_none(), "frame 2 waits");
    }

    #[test]
    fn frames_that_only_one_of_both_judged_are_left_out_and_do_not_pile_up() {
        let mut pairs = Pairs::new(3);
        for number in 0..3 * WAITING as u64 {
            pairs.see(&frame(number, "normal"));
        }
        assert_eq!(pairs.waiting.len(), WAITING);
        for (number, running, shadow) in [(9000, "unknown", "normal"), (9001, "normal", "unknown")] {
            pairs.see(&frame(number, running));
            pairs.see_shadow(number, judged(shadow));
        }
        assert!(pairs.take().is_none());
        // The newest ones still wait.
        pairs.see_shadow(3 * WAITING as u64 - 1, judged("uncertain"));
        assert_eq!(pairs.take().unwrap().1.len(), 1);
    }
}
