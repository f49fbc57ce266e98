//! How far apart in time the frames of a stream are.

use super::origin::Origin;

/// Gaps that are kept: the median of so many is that of the stream.
const MOST: usize = 4096;

/// The gaps between learned frames, in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Steps {
    last: Option<Origin>,
    gaps: Vec<u64>,
}

impl Steps {
    /// Takes the place of the next frame. Frames follow each other where they are of one source and time goes on.
    pub(super) fn see(&mut self, origin: Option<&Origin>) {
        let gap = origin.zip(self.last.as_ref()).filter(|(next, last)| next.source == last.source);
        let gap = gap.and_then(|(next, last)| next.time?.checked_sub(last.time?)).filter(|gap| *gap > 0);
        self.gaps.extend(gap.filter(|_| self.gaps.len() < MOST));
        self.last = origin.cloned();
    }

    /// The median gap, in seconds.
    pub(super) fn median(&self) -> Option<f64> {
        let mut sorted = self.gaps.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map(|gap| *gap as f64 * 1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(frames: &[(&str, Option<u64>)]) -> Option<f64> {
        let mut steps = Steps::default();
        for (source, time) in frames {
            let time = time.map(|time| time * 1_000_000);
            steps.see(Some(&Origin { source: (*source).to_owned(), number: None, time }));
        }
        steps.see(None);
        steps.median()
    }

    #[test]
    fn the_step_is_the_usual_gap() {
        let frames = [0, 40, 80, 120, 5000, 5040, 5080].map(|time| ("a", Some(time)));
        assert_eq!(of(&frames), Some(0.04));
        // Pictures have no times, and the first frame of a clip does not follow the last one of another.
        assert_eq!(of(&[("a", None), ("b", None)]), None);
        assert_eq!(of(&[("a", Some(0)), ("b", Some(40)), ("b", Some(20))]), None);
    }
}
