//! Columns multiplied by factors of their own: x\[i, j\] = x\[i, j\] factors\[j\].
//!
//! # Shapes
//! x (n, d) row-major, in place; factors (d).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Multiplies each column of x by its factor.
///
/// # Errors
/// When x is not whole rows.
pub fn scale_columns(x: &mut [f32], factors: &[f32]) -> Result<()> {
    let d = factors.len();
    check_len("scale_columns", "x", x.len() / d.max(1) * d, x.len())?;
    if !x.is_empty() {
        cpu::scale_columns(x, factors);
    }
    Ok(())
}
