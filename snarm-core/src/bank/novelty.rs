//! Whether a frame brings anything new: a belt that stands still shows the same good part for minutes.

use std::collections::VecDeque;

use snarm_kernels::relative_change::relative_change;

use crate::error::Result;

/// Learned frames that a new one is compared with.
const RECENT: usize = 8;

/// The last learned frames, as long as there is a limit to compare with.
#[derive(Debug, Default)]
pub(super) struct Novelty {
    least: f64,
    recent: VecDeque<Vec<f32>>,
    last: Option<f64>,
}

impl Novelty {
    pub(super) fn new(least: f64) -> Self {
        Self { least, ..Self::default() }
    }

    /// Frames under this novelty add nothing; 0 takes every frame and compares none.
    pub(super) fn set_least(&mut self, least: f64) {
        self.least = least;
        if least <= 0.0 {
            *self = Self::default();
        }
    }

    /// Whether the descriptors of a frame, rows of `width`, are to be learned. Ignored tokens do not count.
    ///
    /// # Errors
    /// When the descriptors are of another number than those of the last frame.
    pub(super) fn admits(&mut self, descriptors: &[f32], width: usize, ignored: &[bool]) -> Result<bool> {
        if self.least <= 0.0 {
            return Ok(true);
        }
        let mut nearest: Option<f64> = None;
        for known in &self.recent {
            let change = relative_change(descriptors, known, width, ignored)?;
            nearest = Some(nearest.map_or(change, |nearest| nearest.min(change)));
        }
        self.last = nearest;
        if nearest.is_some_and(|nearest| nearest < self.least) {
            return Ok(false);
        }
        let mut known =
            if self.recent.len() == RECENT { self.recent.pop_front() } else { None }.unwrap_or_default();
        known.clear();
        known.extend_from_slice(descriptors);
        self.recent.push_back(known);
        Ok(true)
    }

    /// Novelty of the last frame; `None` when it was compared with none.
    pub(super) fn last(&self) -> Option<f64> {
        self.last
    }

    /// Multiplies the columns of all descriptors by factors.
    pub(super) fn scale(&mut self, factors: &[f32]) {
        for row in self.recent.iter_mut().flat_map(|known| known.chunks_exact_mut(factors.len().max(1))) {
            row.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
        }
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_new_when_it_differs_from_all_recent_ones() {
        let mut novelty = Novelty::new(0.1);
        assert!(novelty.admits(&[3.0, 4.0, 0.0, 5.0], 2, &[]).unwrap() && novelty.last().is_none());
        assert!(!novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]).unwrap());
        assert!(novelty.last().is_some_and(|last| (last - 0.1 / 50.0_f64.sqrt()).abs() < 1e-6));
        assert!(novelty.admits(&[3.0, 4.0, 5.0, 0.0], 2, &[]).unwrap());
        assert!(!novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]).unwrap(), "the first frame is still known");
        assert!(
            !novelty.admits(&[3.0, 4.0, 9.0, 9.0], 2, &[false, true]).unwrap(),
            "what is ignored is no news"
        );
        novelty.clear();
        assert!(novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]).unwrap());
        novelty.set_least(0.0);
        assert!(novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]).unwrap() && novelty.last().is_none());
    }

    #[test]
    fn a_frame_that_left_the_recent_ones_is_new_again() {
        let mut novelty = Novelty::new(0.01);
        for i in 0..=RECENT {
            assert!(novelty.admits(&[1.0 + i as f32], 1, &[]).unwrap());
        }
        assert!(novelty.admits(&[1.0], 1, &[]).unwrap());
    }
}
