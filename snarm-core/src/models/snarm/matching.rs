//! Hybrid matching: each token against the bank (inter) and against the trusted tokens of its own frame (intra).

use snarm_kernels::gather::gather;
use snarm_kernels::matched_residual::matched_residual;
use snarm_kernels::nearest::{Labels, Rows, Workspace, nearest, squared_norms};
use snarm_kernels::residual::residual;

use crate::error::Result;

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
}
