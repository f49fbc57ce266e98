//! What a decoder says, weighted by what the residuals say: y = p (r / l)^(1/2), with the residual score r of a place and
//! the level l that is usual for good frames of the product.
//!
//! # Shapes
//! p, r, y (n).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Weighs each probability by the residual score of its place.
///
/// # Errors
/// When the lengths differ.
pub fn weigh(probabilities: &[f32], scores: &[f32], level: f32, y: &mut [f32]) -> Result<()> {
    check_len("weigh", "probabilities", y.len(), probabilities.len())?;
    check_len("weigh", "scores", y.len(), scores.len())?;
    cpu::weigh(probabilities, scores, level, y);
    Ok(())
}
