//! Curves for drawing: few points, close to all of them.

use super::{Ranking, Step};

/// Points nearer to the last one than this, in every direction, are left out.
const NEAR: f64 = 1.0 / 256.0;

/// ROC, precision-recall and per-region-overlap curves in one list, by falling threshold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// From the highest threshold that finds something to the one that finds everything.
    pub points: Vec<CurvePoint>,
}

/// What is found from one threshold on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The lowest score that is called anomalous.
    pub threshold: f32,
    /// Part of the normal samples that is called anomalous; 0 where there are none.
    pub false_positive_rate: f64,
    /// Part of the anomalous samples that is found; 0 where there are none.
    pub recall: f64,
    /// Part of what is called anomalous that is so.
    pub precision: f64,
    /// Mean over regions of the part that is found; images have none.
    pub overlap: Option<f64>,
}

impl Curve {
    /// The curve of ranked images.
    pub fn of(ranking: &Ranking) -> Self {
        let mut thinning = Thinning::new(ranking.positives(), ranking.negatives(), 0);
        ranking.steps().for_each(|step| thinning.add(&step, 0.0));
        thinning.finish()
    }
}

/// Leaves out points on the way.
#[derive(Debug)]
pub(super) struct Thinning {
    positives: u64,
    negatives: u64,
    regions: u64,
    kept: Vec<CurvePoint>,
    last: Option<CurvePoint>,
}

impl Thinning {
    pub(super) fn new(positives: u64, negatives: u64, regions: u64) -> Self {
        Self { positives, negatives, regions, kept: Vec::new(), last: None }
    }

    pub(super) fn add(&mut self, step: &Step, overlap: f64) {
        let part = |n: u64, of: u64| n as f64 / of.max(1) as f64;
        let point = CurvePoint {
            threshold: step.threshold,
            false_positive_rate: part(step.false_positives, self.negatives),
            recall: part(step.true_positives, self.positives),
            precision: step.precision(),
            overlap: (self.regions > 0).then(|| overlap / self.regions as f64),
        };
        if self.kept.last().is_none_or(|kept| is_far(kept, &point)) {
            // A long stretch starts where the short steps before it ended, so that no corner is cut.
            if let Some(last) = self.last.take_if(|last| is_far(last, &point)) {
                self.kept.push(last);
            }
            self.kept.push(point);
            self.last = None;
        } else {
            self.last = Some(point);
        }
    }

    pub(super) fn finish(mut self) -> Curve {
        self.kept.extend(self.last);
        Curve { points: self.kept }
    }
}

fn is_far(a: &CurvePoint, b: &CurvePoint) -> bool {
    let pairs = [
        (a.false_positive_rate, b.false_positive_rate),
        (a.recall, b.recall),
        (a.precision, b.precision),
        (a.overlap.unwrap_or_default(), b.overlap.unwrap_or_default()),
    ];
    pairs.into_iter().any(|(a, b)| (a - b).abs() >= NEAR)
}
