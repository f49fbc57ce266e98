//! Layer normalisation over the last dimension: y = (x - mean) / sqrt(var + eps) * w + b, var being the biased one.
//!
//! # Shapes
//! x, y (m, d) row-major; w, b (d).

pub(crate) mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Normalises each row of `x` into `y`.
///
/// # Errors
/// When a length does not fit the width `weight.len()`.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) -> Result<()> {
    let d = weight.len();
    check_len("layer_norm", "bias", d, bias.len())?;
    check_len("layer_norm", "x", x.len() / d.max(1) * d, x.len())?;
    check_len("layer_norm", "y", x.len(), y.len())?;
    cpu::layer_norm(x, weight, bias, eps, y);
    Ok(())
}
