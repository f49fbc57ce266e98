//! Layer normalisation over the last dimension: y = (x - mean) / sqrt(var + eps) * w + b, var being the biased one.
//!
//! # Shapes
//! x, y (m, d) row-major; w, b (d).

pub(crate) mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{View, ViewMut, apart};
use crate::error::{Result, check_len};

/// Normalises each row of `x` into `y`, which a device may keep as bf16.
///
/// # Errors
/// When a length does not fit the width `weight.len()`, or operands live apart.
pub fn layer_norm<'a>(
    x: impl Into<View<'a>>,
    weight: impl Into<View<'a>>,
    bias: impl Into<View<'a>>,
    eps: f32,
    y: impl Into<ViewMut<'a>>,
) -> Result<()> {
    let (x, weight, bias, y) = (x.into(), weight.into(), bias.into(), y.into());
    let d = weight.len();
    check_len("layer_norm", "bias", d, bias.len())?;
    check_len("layer_norm", "x", x.len() / d.max(1) * d, x.len())?;
    check_len("layer_norm", "y", x.len(), y.len())?;
    match (x, weight, bias, y) {
        (View::Host(x), View::Host(weight), View::Host(bias), ViewMut::Host(y)) => {
            cpu::layer_norm(x, weight, bias, eps, y);
            Ok(())
        }
        (View::Cuda(x), View::Cuda(weight), View::Cuda(bias), ViewMut::Cuda(y)) => {
            check_floats("layer_norm", &y, &[&x, &weight, &bias])?;
            cuda::layer_norm(x, weight, bias, eps, &y)
        }
        _ => Err(apart("layer_norm")),
    }
}
