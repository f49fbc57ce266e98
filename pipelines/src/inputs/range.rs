//! Stretches of a clip: `0-10s`, `90-`, `1m30s-2m`, `0-10s,40-50s`.

use std::fmt;
use std::str::FromStr;

/// Stretches of time, in nanoseconds, each without its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Whether `time` lies in one of the stretches; no stretch at all is everything.
    pub(crate) fn contain(&self, time: u64) -> bool {
        self.0.is_empty() || self.0.iter().any(|&(from, to)| (from..to).contains(&time))
    }

    /// Whether nothing can follow after `time`.
    pub(crate) fn are_over(&self, time: u64) -> bool {
        !self.0.is_empty() && self.0.iter().all(|&(_, to)| time >= to)
    }

    /// What is met of the stretches, nothing so far.
    pub(crate) fn met(&self) -> Met<'_> {
        Met { stretches: &self.0, seen: vec![false; self.0.len()] }
    }

    /// Whether any stretch was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Which stretches had a frame.
#[derive(Debug)]
pub(crate) struct Met<'a> {
    stretches: &'a [(u64, u64)],
    seen: Vec<bool>,
}

impl Met<'_> {
    /// Takes notice of a frame.
    pub(crate) fn see(&mut self, time: u64) {
        let hit = self.stretches.iter().map(|&(from, to)| (from..to).contains(&time));
        self.seen.iter_mut().zip(hit).for_each(|(seen, hit)| *seen |= hit);
    }

    /// The stretches without one, as they can be written.
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = self.stretches.iter().zip(&self.seen).filter(|(_, seen)| !**seen);
        missing.map(|(stretch, _)| written(*stretch)).collect()
    }
}

/// A stretch in seconds.
fn written((from, to): (u64, u64)) -> String {
    let seconds = |time: u64| format!("{}s", time as f64 / 1e9);
    let to = if to == u64::MAX { String::new() } else { seconds(to) };
    format!("{}-{to}", seconds(from))
}

/// A text that is no range.
#[derive(Debug)]
pub(crate) struct BadRange(String);

impl fmt::Display for BadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected stretches of time such as 0-10s, 90s- or 1m30s-2m, start before end, found '{}'",
            self.0
        )
    }
}

impl std::error::Error for BadRange {}

impl FromStr for Ranges {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let stretches = text.split(',').map(|part| stretch(part.trim()));
        stretches.collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| BadRange(text.to_owned()))
    }
}

fn stretch(text: &str) -> Option<(u64, u64)> {
    let (from, to) = text.split_once('-')?;
    let from = if from.trim().is_empty() { 0 } else { time(from.trim())? };
    let to = if to.trim().is_empty() { u64::MAX } else { time(to.trim())? };
    (from < to).then_some((from, to))
}

/// A time such as `10`, `10s`, `1.5s`, `250ms` or `1m30s`; without a unit, seconds.
fn time(text: &str) -> Option<u64> {
    let (mut rest, mut seconds) = (text, 0.0f64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match rest.get(..letters)? {
                "" | "s" => 1.0,
                "ms" => 1e-3,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = rest.get(letters..)?;
    }
    (seconds.is_finite() && seconds < 1e9).then_some((seconds * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn stretches_are_read_with_and_without_units() {
        let check = |text: &str, expected: &[(u64, u64)]| {
            assert_eq!(text.parse::<Ranges>().unwrap().0, expected, "{text}");
        };
        check("0-10s", &[(0, 10 * SECOND)]);
        check("0-10", &[(0, 10 * SECOND)]);
        check("1m30s-2m", &[(90 * SECOND, 120 * SECOND)]);
        check("250ms-1.5s, 4-", &[(SECOND / 4, 3 * SECOND / 2), (4 * SECOND, u64::MAX)]);
        check("-3s", &[(0, 3 * SECOND)]);
    }

    #[test]
    fn other_texts_are_refused_with_what_was_found() {
        for text in ["", "10s", "10-5", "a-b", "1x-2x", "5-5", "0-10s,", "1..2-3"] {
            let message = text.parse::<Ranges>().unwrap_err().to_string();
            assert!(message.contains("expected stretches of time") && message.contains(text), "{message}");
        }
    }

    #[test]
    fn the_end_is_outside() {
        let ranges: Ranges = "1-2,4-5".parse().unwrap();
        assert!(ranges.contain(SECOND) && !ranges.contain(2 * SECOND) && ranges.contain(9 * SECOND / 2));
        assert!(!ranges.are_over(3 * SECOND) && ranges.are_over(5 * SECOND));
        assert!(Ranges::default().contain(7) && !Ranges::default().are_over(u64::MAX));
    }

    #[test]
    fn stretches_without_a_frame_are_told_as_they_can_be_written() {
        let ranges: Ranges = "0-1,250ms-1.5s,300-400,1m30s-".parse().unwrap();
        let mut met = ranges.met();
        assert_eq!(met.missing().len(), 4);
        met.see(SECOND / 2);
        assert_eq!(met.missing(), ["300s-400s", "90s-"]);
        assert_eq!(met.missing().join(",").parse::<Ranges>().unwrap().0, ranges.0[2..]);
        assert!(Ranges::default().met().missing().is_empty());
    }
}
