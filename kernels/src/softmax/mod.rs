//! Softmax of each row and its derivative, for training: y = exp(x - max) / sum. The frame path has it fused into
//! [`crate::attention`].
//!
//! # Shapes
//! x, y, gradients (m, n) row-major.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

const OP: &str = "softmax";

/// Writes the softmax of each row of `n` elements of `x` to `y`.
///
/// # Errors
/// When x is no whole rows, y has another length, or an operand lives on a device.
pub fn softmax<'a>(x: impl Into<BufferView<'a>>, n: usize, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (x, y) = (x.into().host(OP)?, y.into().host(OP)?);
    check_len(OP, "x", x.len() / n.max(1) * n, x.len())?;
    check_len(OP, "y", x.len(), y.len())?;
    cpu::softmax(x, n, y);
    Ok(())
}

/// Writes to `dx` the gradient of x, from the softmax `y` and its gradient `g`: y (g - sum of y g).
///
/// # Errors
/// When y is no whole rows, a length differs, or an operand lives on a device.
pub fn softmax_gradient<'a>(
    y: impl Into<BufferView<'a>>,
    g: impl Into<BufferView<'a>>,
    n: usize,
    dx: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (y, g, dx) = (y.into().host(OP)?, g.into().host(OP)?, dx.into().host(OP)?);
    check_len(OP, "y", y.len() / n.max(1) * n, y.len())?;
    check_len(OP, "gradient", y.len(), g.len())?;
    check_len(OP, "dx", y.len(), dx.len())?;
    cpu::softmax_gradient(y, g, n, dx);
    Ok(())
}
