//! Average precision.

use super::Ranking;

/// Area under precision over recall as a sum of steps, without interpolation: each distinct score adds its
/// precision times the recall it gained. `None` without anomalous samples.
pub fn average_precision(ranking: &Ranking) -> Option<f64> {
    let positives = ranking.positives();
    if positives == 0 {
        return None;
    }
    let (mut found, mut sum) = (0u64, 0.0f64);
    for step in ranking.steps() {
        let tp = step.true_positives;
        let precision = tp as f64 / (tp + step.false_positives) as f64;
        sum += (tp - found) as f64 * precision;
        found = tp;
    }
    Some(sum / positives as f64)
}
