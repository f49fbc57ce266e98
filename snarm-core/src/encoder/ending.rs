//! The end of a network that was trained to give descriptors: a layer norm and a linear layer.

use snarm_kernels::linear::Then;

use crate::error::Result;
use crate::layers::{Linear, Norm, Source};

/// Norm and projection to the width of a descriptor.
pub(super) struct Ending {
    norm: Norm,
    linear: Linear,
    eps: f32,
}

impl Ending {
    /// Reads `head.norm` and `head`.
    pub(super) fn read(source: &Source<'_>, dim: usize, width: usize, eps: f32) -> Result<Self> {
        let head = source.at("head");
        Ok(Self {
            norm: Norm::read(&head.at("norm"), dim)?,
            linear: Linear::read(&head, width, &[dim])?,
            eps,
        })
    }

    /// Tokens (n, dim) to descriptors (n, width).
    pub(super) fn run(&self, tokens: &[f32], normed: &mut Vec<f32>, descriptors: &mut [f32]) -> Result<()> {
        normed.resize(tokens.len(), 0.0);
        self.norm.run(tokens, self.eps, normed)?;
        self.linear.run(normed, Then::Store, descriptors)
    }
}
