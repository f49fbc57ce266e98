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
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

/// Normalises each row of `x` into `y`, which a device may keep as bf16.
///
/// # Errors
/// When a length does not fit the width `weight.len()`, or operands live apart.
pub fn layer_norm<'a>(
    x: impl Into<BufferView<'a>>,
    weight: impl Into<BufferView<'a>>,
    bias: impl Into<BufferView<'a>>,
    eps: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, weight, bias, y) = (x.into(), weight.into(), bias.into(), y.into());
    let d = weight.len();
    check_len("layer_norm", "bias", d, bias.len())?;
    check_len("layer_norm", "x", x.len() / d.max(1) * d, x.len())?;
    check_len("layer_norm", "y", x.len(), y.len())?;
    match (x, weight, bias, y) {
        (BufferView::Host(x), BufferView::Host(weight), BufferView::Host(bias), BufferViewMut::Host(y)) => {
            cpu::layer_norm(x, weight, bias, eps, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferView::Cuda(weight), BufferView::Cuda(bias), BufferViewMut::Cuda(y)) => {
            check_floats("layer_norm", &y, &[&x, &weight, &bias])?;
            cuda::layer_norm(x, weight, bias, eps, &y)
        }
        _ => Err(apart("layer_norm")),
    }
}
