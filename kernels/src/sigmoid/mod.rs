//! Probabilities from logits: x = 1 / (1 + exp(-x)).
//!
//! # Shapes
//! x (n), in place.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferViewMut;
use crate::error::Result;

/// Replaces each logit by its probability.
///
/// # Errors
/// When x lives on a device.
pub fn sigmoid<'a>(x: impl Into<BufferViewMut<'a>>) -> Result<()> {
    cpu::sigmoid(x.into().host("sigmoid")?);
    Ok(())
}
