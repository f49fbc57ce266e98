//! Hybrid matching: each token against the bank (inter) and against the trusted tokens of its own frame (intra).

use snarm_kernels::gather::gather;
use snarm_kernels::hybrid_score::mean_distances;
use snarm_kernels::magnify::magnify;
use snarm_kernels::matched_residual::matched_residual;
use snarm_kernels::nearest::{Labels, Rows, Workspace, nearest, squared_norms};
use snarm_kernels::residual::residual;

use crate::error::Result;

/// Bank rows whose mean is the reference of a token.
const TOP_K: usize = 3;

/// Tokens and the rows they match: residual = mean of the nearest rows - token, and its transform G.
#[derive(Default)]
pub struct Matching {
    labels: Vec<u32>,
    rows: Vec<f32>,
    norms: Vec<f32>,
    matches: Matches,
}

/// What was found for each token.
#[derive(Default)]
struct Matches {
    width: usize,
    workspace: Workspace,
    indices: Vec<u32>,
    distances: Vec<f32>,
    residual: Vec<f32>,
    transformed: Vec<f32>,
}

impl Matches {
    fn find(
        &mut self,
        descriptors: &[f32],
        rows: Rows<'_>,
        labels: Option<Labels<'_>>,
        k: usize,
    ) -> Result<()> {
        let d = self.width;
        let n = descriptors.len() / d;
        self.indices.resize(n * k, 0);
        self.distances.resize(n * k, 0.0);
        let (indices, distances) = (&mut self.indices, &mut self.distances);
        nearest(descriptors, d, rows, labels, k, &mut self.workspace, indices, distances)?;
        self.residual.resize(n * d, 0.0);
        matched_residual(descriptors, d, rows.data, &self.indices, k, &mut self.residual)?;
        self.transformed.resize(n * d, 0.0);
        residual(&self.residual, d, &mut self.transformed)?;
        Ok(())
    }
}

impl Matching {
    /// For descriptors of that width.
    pub fn new(width: usize) -> Self {
        Self { matches: Matches { width, ..Matches::default() }, ..Self::default() }
    }

    /// Inter-residuals: matches the descriptors of one frame against the three nearest rows of a bank. `unlike` is an
    /// image, and the image of each row: rows of that image do not count.
    ///
    /// # Errors
    /// When the width of the bank is another.
    pub fn with_bank(
        &mut self,
        descriptors: &[f32],
        bank: Rows<'_>,
        unlike: Option<(u32, &[u32])>,
    ) -> Result<()> {
        if let Some((image, _)) = unlike {
            self.labels.clear();
            self.labels.resize(descriptors.len() / self.matches.width, image);
        }
        let labels = unlike.map(|(_, rows)| Labels { queries: &self.labels, rows });
        self.matches.find(descriptors, bank, labels, TOP_K)
    }

    /// Intra-residuals: matches the descriptors of one frame against the nearest of its trusted tokens, never itself.
    ///
    /// # Errors
    /// When a trusted token is none of the frame's.
    pub fn with_trusted(&mut self, descriptors: &[f32], trusted: &[u32]) -> Result<()> {
        let d = self.matches.width;
        self.rows.resize(trusted.len() * d, 0.0);
        gather(descriptors, d, trusted, &mut self.rows)?;
        self.norms.resize(trusted.len(), 0.0);
        squared_norms(&self.rows, d, &mut self.norms)?;
        self.labels.clear();
        self.labels.extend(0..(descriptors.len() / d) as u32);
        let rows = Rows { data: &self.rows, norms: &self.norms };
        let labels = Labels { queries: &self.labels, rows: trusted };
        self.matches.find(descriptors, rows, Some(labels), 1)?;
        for index in &mut self.matches.indices {
            // A token that matched nothing keeps that mark.
            *index = trusted.get(*index as usize).copied().unwrap_or(*index);
        }
        Ok(())
    }

    /// What each token matched, nearest first: (n, 3) rows of the bank, or (n) trusted tokens.
    pub fn indices(&self) -> &[u32] {
        &self.matches.indices
    }

    /// The squared distances to them.
    pub fn distances(&self) -> &[f32] {
        &self.matches.distances
    }

    /// Signed residuals, (n, width).
    pub fn residual(&self) -> &[f32] {
        &self.matches.residual
    }

    /// Transformed residuals G(r), (n, width).
    pub fn transformed(&self) -> &[f32] {
        &self.matches.transformed
    }

    /// Brings the transformed residuals to the size that they would have of descriptors `gain` times as long.
    pub(super) fn magnify(&mut self, gain: f32) -> Result<()> {
        Ok(magnify(&mut self.matches.transformed, self.matches.width, gain)?)
    }

    /// Mean distance of each token to the rows of the bank that it matched.
    pub(crate) fn mean_distances(&self, distances: &mut Vec<f32>) -> Result<()> {
        distances.resize(self.matches.distances.len() / TOP_K, 0.0);
        Ok(mean_distances(&self.matches.distances, TOP_K, distances)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::seeded::values;

    #[test]
    fn magnified_residuals_are_those_of_longer_descriptors() {
        let (width, gain) = (8, 2.5);
        let (bank, frame) = (values("bank", 20 * width, 0.0, 1.0), values("frame", 6 * width, 0.0, 1.0));
        let run = |bank: &[f32], frame: &[f32], gain: f32| {
            let mut norms = vec![0.0; 20];
            squared_norms(bank, width, &mut norms).unwrap();
            let mut inter = Matching::new(width);
            inter.with_bank(frame, Rows { data: bank, norms: &norms }, None).unwrap();
            inter.magnify(gain).unwrap();
            inter.matches.transformed
        };
        let longer = |all: &[f32]| all.iter().map(|v| v * gain).collect::<Vec<_>>();
        let (magnified, long) = (run(&bank, &frame, gain), run(&longer(&bank), &longer(&frame), 1.0));
        assert!(magnified.iter().zip(&long).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs().max(1.0)));
        assert!(magnified != run(&bank, &frame, 1.0));
    }
}
