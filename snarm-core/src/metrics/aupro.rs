//! Area under the per-region overlap.
//!
//! Definition of MVTec AD: every distinct score is a threshold. The overlap (PRO) is the mean over all defect
//! regions of the fraction that is found, so a small defect weighs as much as a large one; the false-positive rate
//! is that of all pixels outside regions. The curve starts at (0, 0), is linear between its points, and its area up
//! to the limit is divided by the limit.

/// The limit of the false-positive rate that the field reports.
pub const AUPRO_LIMIT: f64 = 0.3;

/// The area as far as the curve has come, in normal pixels times regions.
#[derive(Debug)]
pub(super) struct Overlap {
    /// Where the area ends, in normal pixels.
    limit: f64,
    /// What a perfect curve has.
    whole: f64,
    x: f64,
    y: f64,
    area: f64,
}

impl Overlap {
    /// Up to the false-positive rate `limit`, among so many normal pixels and regions.
    pub(super) fn new(limit: f64, negatives: u64, regions: u64) -> Self {
        let limit = limit * negatives as f64;
        Self { limit, whole: limit * regions as f64, x: 0.0, y: 0.0, area: 0.0 }
    }

    /// Begins at another point than (0, 0).
    pub(super) fn start(&mut self, false_positives: f64, overlap: f64) {
        (self.x, self.y) = (false_positives, overlap);
    }

    /// The next point: normal pixels called anomalous, and the sum over regions of the fraction found.
    pub(super) fn add(&mut self, false_positives: f64, overlap: f64) {
        let end = false_positives.min(self.limit);
        if end > self.x {
            let slope = (overlap - self.y) / (false_positives - self.x);
            let at_end = self.y + slope * (end - self.x);
            self.area += 0.5 * (self.y + at_end) * (end - self.x);
        }
        (self.x, self.y) = (false_positives, overlap);
    }

    /// `None` without regions or without normal pixels.
    pub(super) fn finish(&self) -> Option<f64> {
        (self.whole > 0.0).then(|| self.area / self.whole)
    }
}
