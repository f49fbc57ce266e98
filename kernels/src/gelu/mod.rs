//! GELU on its own and its derivative, for training: y = x P(N(0, 1) <= x), the exact (erf) form. The frame path has it
//! fused into [`crate::linear`].
//!
//! # Shapes
//! x, y, gradients: the same length, any shape.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Writes gelu(x) to `y`.
///
/// # Errors
/// When the lengths differ.
pub fn gelu(x: &[f32], y: &mut [f32]) -> Result<()> {
    check_len("gelu", "y", x.len(), y.len())?;
    cpu::gelu(x, y);
    Ok(())
}

/// Writes gelu'(x) times the gradient `g` of y to `dx`.
///
/// # Errors
/// When the lengths differ.
pub fn gelu_gradient(x: &[f32], g: &[f32], dx: &mut [f32]) -> Result<()> {
    check_len("gelu", "gradient", x.len(), g.len())?;
    check_len("gelu", "dx", x.len(), dx.len())?;
    cpu::gelu_gradient(x, g, dx);
    Ok(())
}
