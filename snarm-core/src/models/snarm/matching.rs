//! Hybrid matching: each token against the bank (inter) and against the trusted tokens of its own frame (intra).

use snarm_kernels::gather::gather;
use snarm_kernels::matched_residual::matched_residual;
use snarm_kernels::nearest::{Labels, Rows, Workspace, nearest, squared_norms};
use snarm_kernels::residual::residual;

use crate::error::Result;

/// Brings transformed residuals to another size, as if descriptors had been `gain` times as long.
pub(crate) fn magnify(transformed: &mut [f32], width: usize, gain: f32) {
    if gain == 1.0 {
        return;
    }
    for row in transformed.chunks_exact_mut(width) {
        let (magnitudes, squares) = row.split_at_mut(width / 2);
        magnitudes.iter_mut().for_each(|v| *v *= gain);
        squares.iter_mut().for_each(|v| *v *= gain * gain);
    }
}

/// Bank rows whose mean is the reference of a token.
const TOP_K: usize = 3;

/// Inter matching: residual = mean of the three nearest bank rows - token, and its transform G.
#[derive(Default)]
pub struct Inter {
    width: usize,
    workspace: Workspace,
    labels: Vec<u32>,
    indices: Vec<u32>,
    distances: Vec<f32>,
    residual: Vec<f32>,
    transformed: Vec<f32>,
}

impl Inter {
    /// For descriptors of that width.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Matches the descriptors of one frame against the rows of a bank. `unlike` is an image, and the image of each
    /// row: rows of that image do not count.
    ///
    /// # Errors
    /// When the width of the bank is another.
    pub fn run(&mut self, descriptors: &[f32], bank: Rows<'_>, unlike: Option<(u32, &[u32])>) -> Result<()> {
        let d = self.width;
        let n = descriptors.len() / d;
        self.indices.resize(n * TOP_K, 0);
        self.distances.resize(n * TOP_K, 0.0);
        if let Some((image, _)) = unlike {
            self.labels.clear();
            self.labels.resize(n, image);
        }
        let labels = unlike.map(|(_, rows)| Labels { queries: &self.labels, rows });
        let (indices, distances) = (&mut self.indices, &mut self.distances);
        nearest(descriptors, d, bank, labels, TOP_K, &mut self.workspace, indices, distances)?;

        self.residual.resize(n * d, 0.0);
        matched_residual(descriptors, d, bank.data, &self.indices, TOP_K, &mut self.residual)?;
        self.transformed.resize(n * d, 0.0);
        residual(&self.residual, d, &mut self.transformed)?;
        Ok(())
    }

    /// Nearest bank rows of each token, (n, 3).
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Their squared distances, (n, 3).
    pub fn distances(&self) -> &[f32] {
        &self.distances
    }

    /// Signed residuals, (n, width).
    pub fn residual(&self) -> &[f32] {
        &self.residual
    }

    /// Transformed residuals G(r), (n, width).
    pub fn transformed(&self) -> &[f32] {
        &self.transformed
    }

    /// Brings the transformed residuals to another size.
    pub(super) fn magnify(&mut self, gain: f32) {
        magnify(&mut self.transformed, self.width, gain);
    }
}

/// Intra matching: residual = nearest trusted token, never itself - token, and its transform G.
#[derive(Default)]
pub struct Intra {
    width: usize,
    workspace: Workspace,
    all: Vec<u32>,
    rows: Vec<f32>,
    norms: Vec<f32>,
    indices: Vec<u32>,
    distances: Vec<f32>,
    residual: Vec<f32>,
    transformed: Vec<f32>,
}

impl Intra {
    /// For frames of that many tokens of that width.
    pub fn new(tokens: usize, width: usize) -> Self {
        Self { width, all: (0..tokens as u32).collect(), ..Self::default() }
    }

    /// Matches the descriptors of one frame against those of its trusted tokens.
    ///
    /// # Errors
    /// When the number of tokens is another.
    pub fn run(&mut self, descriptors: &[f32], trusted: &[u32]) -> Result<()> {
        let d = self.width;
        let n = descriptors.len() / d;
        self.rows.resize(trusted.len() * d, 0.0);
        gather(descriptors, d, trusted, &mut self.rows)?;
        self.norms.resize(trusted.len(), 0.0);
        squared_norms(&self.rows, d, &mut self.norms)?;
        self.indices.resize(n, 0);
        self.distances.resize(n, 0.0);
        let rows = Rows { data: &self.rows, norms: &self.norms };
        let labels = Some(Labels { queries: &self.all, rows: trusted });
        let (indices, distances) = (&mut self.indices, &mut self.distances);
        nearest(descriptors, d, rows, labels, 1, &mut self.workspace, indices, distances)?;
        self.residual.resize(n * d, 0.0);
        matched_residual(descriptors, d, &self.rows, &self.indices, 1, &mut self.residual)?;
        for index in &mut self.indices {
            // A token that matched nothing keeps that mark.
            *index = trusted.get(*index as usize).copied().unwrap_or(*index);
        }
        self.transformed.resize(n * d, 0.0);
        residual(&self.residual, d, &mut self.transformed)?;
        Ok(())
    }

    /// The trusted token that each token matched, (n).
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Their squared distances, (n).
    pub fn distances(&self) -> &[f32] {
        &self.distances
    }

    /// Signed residuals, (n, width).
    pub fn residual(&self) -> &[f32] {
        &self.residual
    }

    /// Transformed residuals G(r), (n, width).
    pub fn transformed(&self) -> &[f32] {
        &self.transformed
    }

    /// Brings the transformed residuals to another size.
    pub(super) fn magnify(&mut self, gain: f32) {
        magnify(&mut self.transformed, self.width, gain);
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
            let mut inter = Inter::new(width);
            inter.run(frame, Rows { data: bank, norms: &norms }, None).unwrap();
            inter.magnify(gain);
            inter.transformed
        };
        let longer = |all: &[f32]| all.iter().map(|v| v * gain).collect::<Vec<_>>();
        let (magnified, long) = (run(&bank, &frame, gain), run(&longer(&bank), &longer(&frame), 1.0));
        assert!(magnified.iter().zip(&long).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs().max(1.0)));
        assert!(magnified != run(&bank, &frame, 1.0));
    }
}
