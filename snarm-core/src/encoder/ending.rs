//! The end of a network that was trained to give descriptors: a layer norm and a linear layer.

use snarm_kernels::layer_norm::layer_norm;
use snarm_kernels::linear::{Panels, Then, linear};

use super::vit::{Fetch, Linear, Norm};
use crate::error::{Error, Result};

/// Norm and projection to the width of a descriptor.
pub(super) struct Head {
    norm: Norm,
    linear: Linear,
    eps: f32,
}

impl Head {
    /// Takes its tensors from `fetch`.
    pub(super) fn new(dim: usize, width: usize, eps: f32, fetch: &Fetch<'_>) -> Result<Self> {
        let norm = norm("head.norm", dim, fetch)?;
        Ok(Self { norm, linear: layer("head", width, dim, fetch)?, eps })
    }

    /// Tokens (n, dim) to descriptors (n, width).
    pub(super) fn run(&self, tokens: &[f32], normed: &mut Vec<f32>, descriptors: &mut [f32]) -> Result<()> {
        normed.resize(tokens.len(), 0.0);
        layer_norm(tokens, &self.norm.weight, &self.norm.bias, self.eps, normed)?;
        Ok(linear(normed, &self.linear.weight, &self.linear.bias, Then::Store, descriptors)?)
    }
}

/// A tensor that the network needs.
pub(super) fn need(name: &str, shape: &[usize], fetch: &Fetch<'_>) -> Result<Vec<f32>> {
    fetch(name, shape)?.ok_or_else(|| Error::Mismatch {
        what: "encoder",
        expected: format!("a tensor {name}"),
        found: "none of that name".into(),
    })
}

/// The layer norm of that name.
pub(super) fn norm(name: &str, dim: usize, fetch: &Fetch<'_>) -> Result<Norm> {
    let part = |part: &str| need(&format!("{name}.{part}"), &[dim], fetch);
    Ok(Norm { weight: part("weight")?, bias: part("bias")? })
}

/// The linear layer of that name.
pub(super) fn layer(name: &str, out: usize, k: usize, fetch: &Fetch<'_>) -> Result<Linear> {
    let weight = need(&format!("{name}.weight"), &[out, k], fetch)?;
    let bias = need(&format!("{name}.bias"), &[out], fetch)?;
    Ok(Linear { weight: Panels::from_transposed(&weight, out, k), bias })
}
