//! The figures of scored pixels, all of them in one pass.

use super::PixelScores;
use crate::error::Result;
use crate::metrics::aupro::Overlap;
use crate::metrics::binned::Bins;
use crate::metrics::curve::{Curve, Thinning};
use crate::metrics::{F1Max, auroc, average_precision, f1_max};

/// How AUROC, average precision and AUPRO of pixels are worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Binning {
    /// Every distinct score is a threshold.
    #[default]
    Exact,
    /// So many equal bins between the lowest and the highest score, as the published tool adeval has them.
    Adeval(usize),
}

impl Binning {
    /// Bins of adeval where nobody asks for another number.
    pub const ADEVAL_BINS: usize = 1000;
}

/// Figures of scored pixels; none where a kind of pixel is missing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PixelFigures {
    /// Area under the receiver operating characteristic.
    pub auroc: Option<f64>,
    /// Average precision.
    pub average_precision: Option<f64>,
    /// Best F1, over every distinct score whatever the binning.
    pub f1_max: Option<F1Max>,
    /// Area under the per-region overlap up to the limit, divided by the limit.
    pub aupro: Option<f64>,
}

impl PixelScores {
    /// Works out the figures, AUPRO up to the false-positive rate `limit`.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub fn figures(&mut self, binning: Binning, limit: f64) -> Result<PixelFigures> {
        let mut area = auroc::Area::default();
        let mut sum = average_precision::Sum::default();
        let mut best = f1_max::Best::new(self.positives);
        let mut overlap = Overlap::new(limit, self.negatives, self.regions);
        self.visit_steps(|at| {
            area.add(&at.step);
            sum.add(&at.step);
            best.add(&at.step);
            overlap.add(at.step.false_positives as f64, at.overlap);
        })?;
        let exact = PixelFigures {
            auroc: area.finish(),
            average_precision: sum.finish(),
            f1_max: best.finish(),
            aupro: overlap.finish(),
        };
        let Binning::Adeval(bins) = binning else { return Ok(exact) };
        let mut bins = Bins::new(bins, self.range);
        self.visit(|score, area, count| bins.add(score, area, count))?;
        let (auroc, average_precision, aupro) = bins.finish(limit, self.regions);
        Ok(PixelFigures { auroc, average_precision, aupro, ..exact })
    }

    /// The curves, thinned to points that differ by about 1/256.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub fn curve(&mut self) -> Result<Curve> {
        let mut thinning = Thinning::new(self.positives, self.negatives, self.regions);
        self.visit_steps(|at| thinning.add(&at.step, at.overlap))?;
        Ok(thinning.finish())
    }
}
