//! Which frames are held out of the first bank to find the thresholds.

/// Frames of a stream held out together grow to this number: neighbouring frames of a video are alike, and a frame
/// whose neighbours are in the bank would score too well.
const MAX_RUN: usize = 30;

/// Decides which frames are held out: single ones at first, then runs that grow with the stream.
#[derive(Debug, Clone)]
pub(super) struct Holdout {
    fraction: f64,
    seen: usize,
    held: usize,
    run: usize,
}

impl Holdout {
    pub(super) fn new(fraction: f64) -> Self {
        Self { fraction, seen: 0, held: 0, run: 0 }
    }

    /// Whether the next frame is held out.
    pub(super) fn next(&mut self) -> bool {
        self.seen += 1;
        if self.run == 0 && ((self.held + 1) as f64) <= self.fraction * self.seen as f64 {
            self.run = (self.seen / 25).clamp(1, MAX_RUN);
        }
        let hold = self.run > 0;
        self.run = self.run.saturating_sub(1);
        self.held += usize::from(hold);
        hold
    }

    /// Frames held out so far.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes back all decisions but the first `frames`.
    pub(super) fn rewind(&mut self, frames: usize) {
        *self = Self::new(self.fraction);
        for _ in 0..frames {
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_is_held_out_in_runs_that_grow() {
        for fraction in [0.1, 0.2, 0.5] {
            let mut holdout = Holdout::new(fraction);
            let held: Vec<bool> = (0..3000).map(|_| holdout.next()).collect();
            let part = held.iter().filter(|h| **h).count() as f64 / 3000.0;
            assert!((part - fraction).abs() < 0.02, "{fraction}: {part}");
            assert_eq!(held.iter().position(|h| *h), Some((1.0 / fraction) as usize - 1));
            let longest = held.split(|h| !h).map(<[bool]>::len).max();
            assert_eq!(longest, Some(MAX_RUN));
        }
    }

    #[test]
    fn nothing_is_held_out_at_a_fraction_of_zero() {
        let mut holdout = Holdout::new(0.0);
        assert!((0..100).all(|_| !holdout.next()));
    }

    #[test]
    fn decisions_that_are_taken_back_are_made_again() {
        let (mut straight, mut back) = (Holdout::new(0.2), Holdout::new(0.2));
        for _ in 0..100 {
            assert_eq!(straight.next(), back.next());
        }
        for _ in 0..60 {
            back.next();
        }
        back.rewind(100);
        let rest = |holdout: &mut Holdout| (0..200).map(|_| holdout.next()).collect::<Vec<_>>();
        assert_eq!(rest(&mut back), rest(&mut straight));
    }
}
