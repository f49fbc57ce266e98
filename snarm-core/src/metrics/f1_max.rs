//! Best F1 over all thresholds.

use super::{Ranking, Step};

/// The best F1 and where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F1Max {
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Lowest score that reaches it; samples from it on are called anomalous.
    pub threshold: f32,
}

/// Highest F1 that any threshold reaches. `None` without anomalous samples.
pub fn f1_max(ranking: &Ranking) -> Option<F1Max> {
    let mut best = Best::new(ranking.positives());
    ranking.steps().for_each(|step| best.add(&step));
    best.finish()
}

/// The best of the steps so far.
#[derive(Debug)]
pub(super) struct Best {
    positives: u64,
    best: Option<F1Max>,
}

impl Best {
    /// For so many anomalous samples in all.
    pub(super) fn new(positives: u64) -> Self {
        Self { positives, best: None }
    }

    pub(super) fn add(&mut self, step: &Step) {
        let tp = step.true_positives;
        let f1 = 2.0 * tp as f64 / (tp + step.false_positives + self.positives) as f64;
        // Thresholds fall, so "not worse" keeps the lowest of equals.
        if self.best.is_none_or(|best| f1 >= best.f1) {
            self.best = Some(F1Max { f1, threshold: step.threshold });
        }
    }

    pub(super) fn finish(self) -> Option<F1Max> {
        self.best.filter(|_| self.positives > 0)
    }
}
