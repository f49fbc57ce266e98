//! The trained head of SNARM: from hybrid residuals to a map of probabilities.
//!
//! A navigator says which tokens to trust. The self-navigated Mamba module reads the residuals in four branches
//! (`branch`), each in four orders; its blocks mix neighbours everywhere and run a state-space model on the hard tokens
//! alone. The multi-view decoder (`view`) judges each of the sixteen readings by a dilated convolution, and the map is
//! the mean of the sixteen probabilities. Names and shapes of the weights are those of the published checkpoints
//! (`weights`).

mod branch;
mod mixer;
mod seeded;
mod view;
mod weights;
mod workspace;

use std::path::Path;

use snarm_kernels::mean_sigmoid::mean_sigmoid;
use snarm_kernels::row_dot::row_dot;

use self::branch::Branch;
pub use self::branch::Stage;
pub use self::mixer::{Mixer, Workspace as MixerWorkspace};
pub use self::seeded::tensor as seeded_tensor;
pub use self::weights::{Fetch, OPTIONAL, tensors};
pub use self::workspace::Workspace;
use crate::error::{Error, Result};
use crate::weights::Weights;

/// Channels inside the module.
pub const CHANNELS: usize = 128;

/// Cells between the taps of the decoder's convolution: one branch each.
pub const DILATIONS: [usize; 4] = [3, 6, 12, 24];

/// Scan orders of a branch.
pub const ORDERS: usize = 4;

/// Judges: one for each branch and order, numbered branch * 4 + order.
pub const VIEWS: usize = DILATIONS.len() * ORDERS;

/// Blocks of a branch.
pub const DEPTH: usize = 2;

/// Variance below which a norm does not magnify.
const EPS: f32 = 1e-5;

/// What the head is called in messages.
const WHAT: &str = "SNARM head";

/// A trained head, ready to run. Immutable: streams share it.
pub struct Head {
    width: usize,
    navigator: (Vec<f32>, f32),
    branches: Vec<Branch>,
}

/// What the head reads of one frame.
#[derive(Debug, Clone, Copy)]
pub struct Residuals<'a> {
    /// Transformed inter-residuals, (tokens, width).
    pub inter: &'a [f32],
    /// Transformed intra-residuals, (tokens, width).
    pub intra: &'a [f32],
    /// The hard tokens, ascending.
    pub hard: &'a [u32],
}

/// Sees what each stage of each branch makes: the number of the branch, the stage, the values.
pub type Observe<'a> = dyn FnMut(usize, Stage, &[f32]) + 'a;

impl Head {
    /// Reads a published decoder checkpoint, as safetensors or `.pth`.
    ///
    /// # Errors
    /// When the file is missing or its tensors are not exactly the named ones.
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_weights(&Weights::open(path)?)
    }

    /// Takes the tensors of an open file.
    ///
    /// # Errors
    /// When its tensors are not exactly the named ones.
    pub fn from_weights(file: &Weights) -> Result<Self> {
        let width = weights::check(file)?;
        Self::new(width, &|name, shape| weights::shaped(file, name, shape))
    }

    /// A head for residuals of that width whose weights come from a formula: for tests and timings.
    ///
    /// # Errors
    /// When the width is zero or odd.
    pub fn seeded(width: usize) -> Result<Self> {
        Self::new(width, &|name, shape| Ok(seeded::tensor(name, shape)))
    }

    /// Takes the tensors that it needs from `fetch`, for residuals of that width.
    ///
    /// # Errors
    /// When the width is zero or odd, or `fetch` fails.
    pub fn new(width: usize, fetch: &Fetch<'_>) -> Result<Self> {
        if width == 0 || !width.is_multiple_of(2) {
            let expected = "an even descriptor width".to_owned();
            return Err(Error::Mismatch { what: WHAT, expected, found: width.to_string() });
        }
        let weight = fetch("simple_predictor.weight", &[1, width, 1, 1])?;
        let bias = weights::single(fetch, "simple_predictor.bias")?;
        let branches = (0..DILATIONS.len()).map(|b| Branch::new(b, width, fetch)).collect::<Result<_>>()?;
        Ok(Self { width, navigator: (weight, bias), branches })
    }

    /// Width of the residuals that the head reads.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The navigator: Q = sigmoid(w . G(r) + b) of each token, which [`super::Navigation`] adds to the waypoint values.
    ///
    /// # Errors
    /// When the residuals have another width.
    pub fn navigate(&self, inter: &[f32], q: &mut Vec<f32>) -> Result<()> {
        q.resize(inter.len() / self.width, 0.0);
        row_dot(inter, &self.navigator.0, self.navigator.1, q)?;
        q.iter_mut().for_each(|q| *q = 1.0 / (1.0 + (-*q).exp()));
        Ok(())
    }

    /// Probabilities (side, side) of one frame, the side and the grid being those of the workspace.
    ///
    /// # Errors
    /// When the residuals do not fit the head or the grid, or a hard token lies outside the grid.
    pub fn run<'a>(&self, residuals: &Residuals<'_>, workspace: &'a mut Workspace) -> Result<&'a [f32]> {
        self.run_observed(residuals, workspace, &mut |_, _, _| {})
    }

    /// As [`Self::run`]; `observe` sees the stages of each branch.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_observed<'a>(
        &self,
        residuals: &Residuals<'_>,
        workspace: &'a mut Workspace,
        observe: &mut Observe<'_>,
    ) -> Result<&'a [f32]> {
        let tokens = workspace.tokens();
        self.check(residuals, tokens)?;
        workspace.places.mark_hard(residuals.hard);
        for (b, branch) in self.branches.iter().enumerate() {
            branch.run(residuals, workspace, &mut |stage, values| observe(b, stage, values))?;
            branch.judge(b, workspace)?;
        }
        workspace.upsample.run(&workspace.logits, &mut workspace.upsampled)?;
        mean_sigmoid(&workspace.upsampled, &mut workspace.map)?;
        Ok(&workspace.map)
    }

    fn check(&self, residuals: &Residuals<'_>, tokens: usize) -> Result<()> {
        let expected_len = tokens * self.width;
        if residuals.inter.len() != expected_len || residuals.intra.len() != expected_len {
            let expected = format!("residuals of {tokens} tokens, {} wide", self.width);
            let found = format!("{} and {} values", residuals.inter.len(), residuals.intra.len());
            return Err(Error::Mismatch { what: WHAT, expected, found });
        }
        match residuals.hard.iter().find(|token| **token as usize >= tokens) {
            None => Ok(()),
            Some(token) => {
                let expected = format!("hard tokens among {tokens}");
                Err(Error::Mismatch { what: WHAT, expected, found: token.to_string() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
