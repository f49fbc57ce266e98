//! Hybrid matching: each token against the bank (inter) and against the trusted tokens of its own frame (intra).

use snarm_kernels::nearest::{Labels, NONE, Rows, Workspace, nearest, squared_norms};
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
        let places = self.indices.as_chunks::<TOP_K>().0;
        for ((out, token), places) in
            self.residual.chunks_exact_mut(d).zip(descriptors.chunks_exact(d)).zip(places)
        {
            mean_minus(out, token, places, bank.data);
        }
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

/// out = mean of the rows that exist - token
fn mean_minus(out: &mut [f32], token: &[f32], places: &[u32; TOP_K], rows: &[f32]) {
    let d = token.len();
    let found = places.iter().filter(|p| **p != NONE).count().max(1);
    out.fill(0.0);
    for place in places.iter().filter(|p| **p != NONE) {
        let row = &rows[*place as usize * d..][..d];
        out.iter_mut().zip(row).for_each(|(out, value)| *out += value);
    }
    let share = 1.0 / found as f32;
    out.iter_mut().zip(token).for_each(|(out, value)| *out = *out * share - value);
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
        self.rows.clear();
        for token in trusted {
            self.rows.extend_from_slice(&descriptors[*token as usize * d..][..d]);
        }
        self.norms.resize(trusted.len(), 0.0);
        squared_norms(&self.rows, d, &mut self.norms)?;
        self.indices.resize(n, 0);
        self.distances.resize(n, 0.0);
        let rows = Rows { data: &self.rows, norms: &self.norms };
        let labels = Some(Labels { queries: &self.all, rows: trusted });
        let (indices, distances) = (&mut self.indices, &mut self.distances);
        nearest(descriptors, d, rows, labels, 1, &mut self.workspace, indices, distances)?;
        self.residual.resize(n * d, 0.0);
        let tokens = self.residual.chunks_exact_mut(d).zip(descriptors.chunks_exact(d));
        for ((out, token), index) in tokens.zip(self.indices.iter_mut()) {
            let row = &self.rows[*index as usize * d..][..d];
            out.iter_mut().zip(row).zip(token).for_each(|((out, row), token)| *out = row - token);
            *index = trusted[*index as usize];
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
