//! Average precision.

use super::{Ranking, Step};

/// Area under precision over recall as a sum of steps, without interpolation: each distinct score adds its
/// precision times the recall it gained. `None` without anomalous samples.
pub fn average_precision(ranking: &Ranking) -> Option<f64> {
    let mut sum = Sum::default();
    ranking.steps().for_each(|step| sum.add(&step));
    sum.finish()
}

/// The sum as far as the steps have come.
#[derive(Debug, Default)]
pub(super) struct Sum {
    found: u64,
    sum: f64,
}

impl Sum {
    pub(super) fn add(&mut self, step: &Step) {
        let tp = step.true_positives;
        self.sum += (tp - self.found) as f64 * step.precision();
        self.found = tp;
    }

    /// The last step has found everything.
    pub(super) fn finish(&self) -> Option<f64> {
        (self.found > 0).then(|| self.sum / self.found as f64)
    }
}
