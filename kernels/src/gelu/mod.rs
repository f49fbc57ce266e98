//! GELU on its own and its derivative, for training: y = x P(N(0, 1) <= x), the exact (erf) form. The frame path has it
//! fused into [`crate::linear`].
//!
//! # Shapes
//! x, y, gradients: the same length, any shape.

mod cpu;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

const OP: &str = "gelu";

/// Writes gelu(x) to `y`.
///
/// # Errors
/// When the lengths differ, or an operand lives on a device.
pub fn gelu<'a>(x: impl Into<BufferView<'a>>, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (x, y) = (x.into().host(OP)?, y.into().host(OP)?);
    check_len(OP, "y", x.len(), y.len())?;
    cpu::gelu(x, y);
    Ok(())
}

/// Writes gelu'(x) times the gradient `g` of y to `dx`.
///
/// # Errors
/// When the lengths differ, or an operand lives on a device.
pub fn gelu_gradient<'a>(
    x: impl Into<BufferView<'a>>,
    g: impl Into<BufferView<'a>>,
    dx: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, g, dx) = (x.into().host(OP)?, g.into().host(OP)?, dx.into().host(OP)?);
    check_len(OP, "gradient", x.len(), g.len())?;
    check_len(OP, "dx", x.len(), dx.len())?;
    cpu::gelu_gradient(x, g, dx);
    Ok(())
}
