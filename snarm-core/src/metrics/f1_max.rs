//! Best F1 over all thresholds.

use super::Ranking;

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
    let positives = ranking.positives();
    if positives == 0 {
        return None;
    }
    let mut best: Option<F1Max> = None;
    for step in ranking.steps() {
        let tp = step.true_positives;
        let f1 = 2.0 * tp as f64 / (tp + step.false_positives + positives) as f64;
        // Thresholds fall, so "not worse" keeps the lowest of equals.
        if best.is_none_or(|best| f1 >= best.f1) {
            best = Some(F1Max { f1, threshold: step.threshold });
        }
    }
    best
}
