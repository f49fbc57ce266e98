//! Largest mean over a window that slides over a map without padding: SNARM's image score (16 x 16 windows, stride 2).
//!
//! # Shapes
//! x (h, w) row-major -> one value. A map smaller than the window is averaged whole.
//! `peak`: x (n) -> the highest value, at least 0.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};

/// The largest window mean of `x`, which has `w` columns. `sums` is scratch that is kept between calls.
///
/// # Errors
/// When `x` is empty or not whole rows.
pub fn pooled_max(x: &[f32], w: usize, window: usize, stride: usize, sums: &mut Vec<f64>) -> Result<f32> {
    if x.is_empty() || w == 0 || !x.len().is_multiple_of(w) {
        let found = format!("{} elements", x.len());
        return Err(Error::Shape {
            op: "pooled_max",
            expected: format!("whole rows of {w}, at least one"),
            found,
        });
    }
    Ok(cpu::pooled_max(x, w, window.max(1), stride.max(1), sums))
}

/// The highest value of `x`, or 0 where all are lower.
pub fn peak(x: &[f32]) -> f32 {
    cpu::peak(x)
}
