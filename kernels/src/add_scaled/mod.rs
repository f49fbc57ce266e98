//! Adds a multiple: y += a x. The mean of several layers is made of such sums.
//!
//! # Shapes
//! x, y (n).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Adds `a` times `x` to `y`; the product is rounded before it is added.
///
/// # Errors
/// When the lengths differ.
pub fn add_scaled(x: &[f32], a: f32, y: &mut [f32]) -> Result<()> {
    check_len("add_scaled", "x", y.len(), x.len())?;
    cpu::add_scaled(x, a, y);
    Ok(())
}
