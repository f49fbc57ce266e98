//! Layers that networks of several kinds are made of, read by name from a [`Source`].

mod block;
mod source;

use snarm_kernels::layer_norm::layer_norm;
use snarm_kernels::linear::{Panels, Then, linear};

pub(crate) use self::block::{Block, EPS, EXPANSION, HEAD, Scratch};
pub(crate) use self::source::{Made, Source, Tensors};
use crate::error::Result;

/// A linear layer with a bias.
pub(crate) struct Linear {
    weight: Panels,
    bias: Vec<f32>,
}

/// A layer norm.
pub(crate) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Linear {
    /// Reads `weight` (out, inner), where `inner` may be several sizes, as those of a patch are, and `bias` (out).
    pub(crate) fn read(source: &Source<'_>, out: usize, inner: &[usize]) -> Result<Self> {
        Self::read_scaled(source, out, inner, None)
    }

    /// As [`Self::read`], each output multiplied by a factor: what follows a layer and only scales is folded into it.
    pub(crate) fn read_scaled(
        source: &Source<'_>,
        out: usize,
        inner: &[usize],
        scale: Option<Vec<f32>>,
    ) -> Result<Self> {
        let k = inner.iter().product();
        let mut weight = source.get("weight", &[&[out], inner].concat())?;
        let mut bias = source.get("bias", &[out])?;
        if let Some(scale) = scale {
            for ((row, bias), scale) in weight.chunks_exact_mut(k).zip(&mut bias).zip(scale) {
                row.iter_mut().for_each(|w| *w *= scale);
                *bias *= scale;
            }
        }
        Ok(Self { weight: Panels::from_transposed(&weight, out, k), bias })
    }

    /// Width of a row that it gives.
    pub(crate) fn width(&self) -> usize {
        self.bias.len()
    }

    /// Rows x (n, inner) to rows y (n, out).
    pub(crate) fn run(&self, x: &[f32], then: Then, y: &mut [f32]) -> Result<()> {
        Ok(linear(x, &self.weight, &self.bias, then, y)?)
    }
}

impl Norm {
    /// Reads `weight` and `bias`, both (dim).
    pub(crate) fn read(source: &Source<'_>, dim: usize) -> Result<Self> {
        Ok(Self { weight: source.get("weight", &[dim])?, bias: source.get("bias", &[dim])? })
    }

    /// Rows x (n, dim) to rows y of the same size.
    pub(crate) fn run(&self, x: &[f32], eps: f32, y: &mut [f32]) -> Result<()> {
        Ok(layer_norm(x, &self.weight, &self.bias, eps, y)?)
    }
}
