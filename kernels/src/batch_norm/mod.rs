//! Batch normalisation with the statistics of the batch, then ReLU: y = max(0, (x - mean) / sqrt(var + eps) w + b), mean
//! and (biased) variance being taken over the rows, for each channel. For training: with fixed statistics a batch norm
//! is part of the convolution before it.
//!
//! # Shapes
//! x, y (m, c), w, b, mean, var (c).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

const OP: &str = "batch_norm";

/// Weight and bias of a norm.
#[derive(Debug, Clone, Copy)]
pub struct Affine<T> {
    /// w
    pub weight: T,
    /// b
    pub bias: T,
}

impl<T> Affine<T> {
    fn host<'a>(self) -> Result<Affine<&'a [f32]>>
    where
        T: Into<BufferView<'a>>,
    {
        Ok(Affine { weight: self.weight.into().host(OP)?, bias: self.bias.into().host(OP)? })
    }
}

/// Mean and biased variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Means.
    pub mean: Vec<f32>,
    /// Variances.
    pub var: Vec<f32>,
}

impl Statistics {
    /// Of rows of `c` channels.
    ///
    /// # Errors
    /// When x is no whole rows, or lives on a device.
    pub fn of<'a>(x: impl Into<BufferView<'a>>, c: usize) -> Result<Self> {
        let x = x.into().host(OP)?;
        check_len(OP, "x", x.len() / c.max(1) * c, x.len())?;
        let (mean, var) = cpu::statistics(x, c);
        Ok(Self { mean, var })
    }
}

/// Normalises the rows of `x` into `y`.
///
/// # Errors
/// When a length does not fit the channels of `affine`, or an operand lives on a device.
pub fn batch_norm_relu<'a>(
    x: impl Into<BufferView<'a>>,
    stats: &Statistics,
    affine: Affine<impl Into<BufferView<'a>>>,
    eps: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, affine, y) = (x.into().host(OP)?, affine.host()?, y.into().host(OP)?);
    check(x, stats, affine, y)?;
    cpu::forward(x, stats, affine, eps, y);
    Ok(())
}

/// Writes the gradients of x, weight and bias, given that of y, when `stats` are those of x itself.
///
/// # Errors
/// When a length does not fit the channels of `affine`, or an operand lives on a device.
pub fn batch_norm_relu_backward<'a>(
    x: impl Into<BufferView<'a>>,
    stats: &Statistics,
    affine: Affine<impl Into<BufferView<'a>>>,
    eps: f32,
    dy: impl Into<BufferView<'a>>,
    dx: impl Into<BufferViewMut<'a>>,
    dweight: impl Into<BufferViewMut<'a>>,
    dbias: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, affine, dy, dx) = (x.into().host(OP)?, affine.host()?, dy.into().host(OP)?, dx.into().host(OP)?);
    let (dweight, dbias) = (dweight.into().host(OP)?, dbias.into().host(OP)?);
    check(x, stats, affine, dy)?;
    check_len(OP, "dx", x.len(), dx.len())?;
    check_len(OP, "gradient of the weight", affine.weight.len(), dweight.len())?;
    check_len(OP, "gradient of the bias", affine.weight.len(), dbias.len())?;
    cpu::backward(x, stats, affine, eps, dy, dx, dweight, dbias);
    Ok(())
}

fn check(x: &[f32], stats: &Statistics, affine: Affine<&[f32]>, y: &[f32]) -> Result<()> {
    let c = affine.weight.len();
    check_len(OP, "bias", c, affine.bias.len())?;
    check_len(OP, "means", c, stats.mean.len())?;
    check_len(OP, "variances", c, stats.var.len())?;
    check_len(OP, "x", x.len() / c.max(1) * c, x.len())?;
    check_len(OP, "y", x.len(), y.len())
}
