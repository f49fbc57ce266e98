//! The binning of the published evaluation tool adeval, so that figures can be compared with papers that used it.
//!
//! Scores fall into equal bins between the lowest and the highest; edges are 32-bit floats, and the highest score has a
//! bin of its own, where the curves begin: nothing is drawn from the origin to there. AUROC and average precision are
//! the trapezoids of the two curves through the edges; precision is 1 where nothing is found yet. AUPRO weighs each
//! anomalous pixel with one over the area of its region, and takes the part of the strip that the limit cuts by the
//! quadratic rule: its rectangle times the fraction, its triangle times the fraction squared.

use super::aupro::Overlap;

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    positives: u64,
    negatives: u64,
    overlap: f64,
}

/// Counts pixels.
#[derive(Debug)]
pub(super) struct Bins {
    edges: Vec<f32>,
    bins: Vec<Bin>,
}

impl Bins {
    /// So many bins, at least one, between the ends of `range`, and the one of its upper end.
    pub(super) fn new(count: usize, range: Option<[f32; 2]>) -> Self {
        let count = count.max(1);
        let [low, high] = range.unwrap_or_default();
        let edge = |k: usize| low + (k as f64 / count as f64) as f32 * (high - low);
        Self { edges: (1..=count).map(edge).collect(), bins: vec![Bin::default(); count + 1] }
    }

    /// Adds `count` pixels of regions of `area` pixels, 0 for normal ones.
    pub(super) fn add(&mut self, score: f32, area: u32, count: u64) {
        let at = self.edges.partition_point(|edge| *edge <= score);
        let Some(bin) = self.bins.get_mut(at) else { return };
        if area == 0 {
            bin.negatives += count;
        } else {
            bin.positives += count;
            bin.overlap += count as f64 / f64::from(area);
        }
    }

    /// AUROC, average precision, and AUPRO up to `limit`.
    pub(super) fn finish(&self, limit: f64, regions: u64) -> (Option<f64>, Option<f64>, Option<f64>) {
        let positives: u64 = self.bins.iter().map(|bin| bin.positives).sum();
        let negatives: u64 = self.bins.iter().map(|bin| bin.negatives).sum();
        let (mut tp, mut fp, mut found, mut precision) = (0, 0, 0.0, 1.0);
        let (mut roc, mut pr) = (0.0, 0.0);
        // Between two points a straight line cut at the limit has the area of the quadratic rule.
        let mut overlap = Overlap::new(limit, negatives, regions);
        for (i, bin) in self.bins.iter().rev().enumerate() {
            let (tp_before, before) = (tp, precision);
            tp += bin.positives;
            fp += bin.negatives;
            found += bin.overlap;
            precision = if tp + fp == 0 { 1.0 } else { tp as f64 / (tp + fp) as f64 };
            if i == 0 {
                overlap.start(fp as f64, found);
                continue;
            }
            roc += bin.negatives as f64 * (tp_before + tp) as f64 / 2.0;
            pr += bin.positives as f64 * (before + precision) / 2.0;
            overlap.add(fp as f64, found);
        }
        let whole = positives as f64 * negatives as f64;
        let auroc = (whole > 0.0).then(|| roc / whole);
        let average = (positives > 0).then(|| pr / positives as f64);
        (auroc, average, overlap.finish())
    }
}
