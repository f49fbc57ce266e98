//! Area under the receiver operating characteristic.

use super::{Ranking, Step};

/// Area under the curve of true-positive rate over false-positive rate, by trapezoids: the chance that an
/// anomalous sample scores higher than a normal one, ties counted half. Exact: the area is counted in integers
/// and divided once. `None` unless both kinds of sample are there.
pub fn auroc(ranking: &Ranking) -> Option<f64> {
    let mut area = Area::default();
    ranking.steps().for_each(|step| area.add(&step));
    area.finish()
}

/// The area as far as the steps have come.
#[derive(Debug, Default)]
pub(super) struct Area {
    tp: u64,
    fp: u64,
    twice: u128,
}

impl Area {
    pub(super) fn add(&mut self, step: &Step) {
        let (tp, fp) = (step.true_positives, step.false_positives);
        self.twice += u128::from(fp - self.fp) * (u128::from(tp) + u128::from(self.tp));
        (self.tp, self.fp) = (tp, fp);
    }

    /// The last step has found everything.
    pub(super) fn finish(&self) -> Option<f64> {
        let all = 2 * u128::from(self.tp) * u128::from(self.fp);
        (all > 0).then(|| self.twice as f64 / all as f64)
    }
}
