//! Area under the receiver operating characteristic.

use super::Ranking;

/// Area under the curve of true-positive rate over false-positive rate, by trapezoids: the chance that an
/// anomalous sample scores higher than a normal one, ties counted half. Exact: the area is counted in integers
/// and divided once. `None` unless both kinds of sample are there.
pub fn auroc(ranking: &Ranking) -> Option<f64> {
    let (p, n) = (u128::from(ranking.positives()), u128::from(ranking.negatives()));
    if p == 0 || n == 0 {
        return None;
    }
    let (mut tp, mut fp, mut twice_area) = (0u128, 0u128, 0u128);
    for step in ranking.steps() {
        let (new_tp, new_fp) = (u128::from(step.true_positives), u128::from(step.false_positives));
        twice_area += (new_fp - fp) * (new_tp + tp);
        (tp, fp) = (new_tp, new_fp);
    }
    Some(twice_area as f64 / (2 * p * n) as f64)
}
