//! What several judges think on average: y = mean over the columns of sigmoid(x).
//!
//! # Shapes
//! x (m, c) row-major logits, y (m) probabilities.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};

/// Averages the probabilities of each row of `x`.
///
/// # Errors
/// When x is not a row of equal, positive length for each element of y.
pub fn mean_sigmoid(x: &[f32], y: &mut [f32]) -> Result<()> {
    let c = x.len() / y.len().max(1);
    if c * y.len() != x.len() || (c == 0 && !y.is_empty()) {
        let expected = format!("{} rows of equal length", y.len());
        return Err(Error::Shape { op: "mean_sigmoid", expected, found: format!("{} elements", x.len()) });
    }
    cpu::mean_sigmoid(x, c, y);
    Ok(())
}
