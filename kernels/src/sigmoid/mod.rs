//! Probabilities from logits: x = 1 / (1 + exp(-x)).
//!
//! # Shapes
//! x (n), in place.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

/// Replaces each logit by its probability.
pub fn sigmoid(x: &mut [f32]) {
    cpu::sigmoid(x);
}
