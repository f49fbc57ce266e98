//! Whether a frame brings anything new: a belt that stands still shows the same good part for minutes.

use std::collections::VecDeque;

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
    pub(super) fn admits(&mut self, descriptors: &[f32], width: usize, ignored: &[bool]) -> bool {
        if self.least <= 0.0 {
            return true;
        }
        let nearest =
            self.recent.iter().map(|known| change(descriptors, known, width, ignored)).reduce(f64::min);
        self.last = nearest;
        if nearest.is_some_and(|nearest| nearest < self.least) {
            return false;
        }
        let mut known =
            if self.recent.len() == RECENT { self.recent.pop_front() } else { None }.unwrap_or_default();
        known.clear();
        known.extend_from_slice(descriptors);
        self.recent.push_back(known);
        true
    }

    /// Novelty of the last frame; `None` when it was compared with none.
    pub(super) fn last(&self) -> Option<f64> {
        self.last
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.last = None;
    }
}

/// Relative change of the features between two frames, place by place: sqrt(sum |a - b|^2 / sum |b|^2). It is 0 for
/// equal frames and near 1.4 for frames that have nothing in common.
fn change(a: &[f32], b: &[f32], width: usize, ignored: &[bool]) -> f64 {
    let (mut difference, mut length) = (0.0_f64, 0.0_f64);
    for (token, (a, b)) in a.chunks_exact(width).zip(b.chunks_exact(width)).enumerate() {
        if ignored.get(token).copied().unwrap_or(false) {
            continue;
        }
        let (mut d, mut l) = (0.0_f32, 0.0_f32);
        for (a, b) in a.iter().zip(b) {
            d += (a - b) * (a - b);
            l += b * b;
        }
        difference += f64::from(d);
        length += f64::from(l);
    }
    (difference / length.max(f64::MIN_POSITIVE)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_new_when_it_differs_from_all_recent_ones() {
        let mut novelty = Novelty::new(0.1);
        assert!(novelty.admits(&[3.0, 4.0, 0.0, 5.0], 2, &[]) && novelty.last().is_none());
        assert!(!novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]));
        assert!(novelty.last().is_some_and(|last| (last - 0.1 / 50.0_f64.sqrt()).abs() < 1e-6));
        assert!(novelty.admits(&[3.0, 4.0, 5.0, 0.0], 2, &[]));
        assert!(!novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]), "the first frame is still known");
        assert!(!novelty.admits(&[3.0, 4.0, 9.0, 9.0], 2, &[false, true]), "what is ignored is no news");
        novelty.clear();
        assert!(novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]));
        novelty.set_least(0.0);
        assert!(novelty.admits(&[3.0, 4.0, 0.1, 5.0], 2, &[]) && novelty.last().is_none());
    }

    #[test]
    fn a_frame_that_left_the_recent_ones_is_new_again() {
        let mut novelty = Novelty::new(0.01);
        for i in 0..=RECENT {
            assert!(novelty.admits(&[1.0 + i as f32], 1, &[]));
        }
        assert!(novelty.admits(&[1.0], 1, &[]));
    }
}
