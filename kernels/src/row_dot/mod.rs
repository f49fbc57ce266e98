//! One output of a linear layer: y = x w + b for each row of x.
//!
//! # Shapes
//! x (m, d) row-major, w (d), y (m).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Multiplies each row of `x` with `w`.
///
/// # Errors
/// When x is not a row of the width of w for each element of y.
pub fn row_dot(x: &[f32], w: &[f32], bias: f32, y: &mut [f32]) -> Result<()> {
    check_len("row_dot", "x", y.len() * w.len(), x.len())?;
    cpu::row_dot(x, w, bias, y);
    Ok(())
}
