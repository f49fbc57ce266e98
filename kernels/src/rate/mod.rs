//! Raw scores to one scale: y = x^2 / (1 + x^2) with x = raw / reference. The order is kept, and nothing saturates.
//!
//! # Shapes
//! raw, y (n).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Brings each raw score to 0..1, where that of `reference` is 0.5.
///
/// # Errors
/// When the lengths differ.
pub fn rate(raw: &[f32], reference: f32, y: &mut [f32]) -> Result<()> {
    check_len("rate", "raw scores", y.len(), raw.len())?;
    cpu::rate(raw, reference, y);
    Ok(())
}
