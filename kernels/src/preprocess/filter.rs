//! The antialiased triangle filter along one axis, as a table of taps.

use std::ops::Range;

/// For each result the first source sample and the weights of the samples from there on.
#[derive(Debug)]
pub(super) struct Filter {
    /// Weights of one result; the same number for all, some may be 0.
    pub taps: usize,
    /// First sample of each result.
    pub starts: Vec<usize>,
    /// `taps` weights for each result; they sum to 1.
    pub weights: Vec<f32>,
}

impl Filter {
    /// `n` results, the first of which begins at `origin` and each of which covers `scale` samples, where sample k
    /// covers k..k+1. Only samples in `range` are used, and it is not empty. The number of taps is a multiple of
    /// `multiple` where the range has that many.
    pub(super) fn triangle(n: usize, origin: f64, scale: f64, range: Range<usize>, multiple: usize) -> Self {
        let support = scale.max(1.0);
        let taps = ((2.0 * support).ceil() as usize).next_multiple_of(multiple).min(range.len());
        let (mut starts, mut weights) = (Vec::with_capacity(n), vec![0.0; n * taps]);
        for (o, row) in weights.chunks_exact_mut(taps).enumerate() {
            let centre = origin + (o as f64 + 0.5) * scale;
            let wanted = (centre - support + 0.5).floor().max(range.start as f64) as usize;
            // Near the end the window is moved back, so that every result has all its taps inside the range.
            let start = wanted.min(range.end - taps);
            let weight = |k: usize| (1.0 - ((k as f64 + 0.5 - centre) / support).abs()).max(0.0);
            let sum: f64 = (start..start + taps).map(weight).sum();
            for (w, k) in row.iter_mut().zip(start..) {
                *w = (weight(k) / sum) as f32;
            }
            // A chroma site outside the samples can leave a result without any; the nearest one stands in.
            if sum <= 0.0 {
                let nearest = centre.floor().max(start as f64) as usize - start;
                row.fill(0.0);
                row[nearest.min(taps - 1)] = 1.0;
            }
            starts.push(start);
        }
        Self { taps, starts, weights }
    }

    /// First sample and weights of result `o`.
    #[inline(always)]
    pub(super) fn result(&self, o: usize) -> (usize, &[f32]) {
        (self.starts[o], &self.weights[o * self.taps..][..self.taps])
    }
}
