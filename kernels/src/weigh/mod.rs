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

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

const OP: &str = "weigh";

/// Weighs each probability by the residual score of its place.
///
/// # Errors
/// When the lengths differ, or an operand lives on a device.
pub fn weigh<'a>(
    probabilities: impl Into<BufferView<'a>>,
    scores: impl Into<BufferView<'a>>,
    level: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (probabilities, scores, y) =
        (probabilities.into().host(OP)?, scores.into().host(OP)?, y.into().host(OP)?);
    check_len(OP, "probabilities", y.len(), probabilities.len())?;
    check_len(OP, "scores", y.len(), scores.len())?;
    cpu::weigh(probabilities, scores, level, y);
    Ok(())
}
