//! What a decoder says, weighted by what the residuals say: y = p (r / l)^(1/2), with the residual score r of a place and
//! the level l that is usual for good frames of the product.
//!
//! # Shapes
//! p, r, y (n).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

const OP: &str = "weigh";

/// Weighs each probability by the residual score of its place.
///
/// # Errors
/// When the lengths differ, or operands live apart.
pub fn weigh<'a>(
    probabilities: impl Into<BufferView<'a>>,
    scores: impl Into<BufferView<'a>>,
    level: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (probabilities, scores, y) = (probabilities.into(), scores.into(), y.into());
    check_len(OP, "probabilities", y.len(), probabilities.len())?;
    check_len(OP, "scores", y.len(), scores.len())?;
    match (probabilities, scores, y) {
        (BufferView::Host(probabilities), BufferView::Host(scores), BufferViewMut::Host(y)) => {
            cpu::weigh(probabilities, scores, level, y);
            Ok(())
        }
        (BufferView::Cuda(probabilities), BufferView::Cuda(scores), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&probabilities, &scores, y.as_slice()])?;
            cuda::weigh(probabilities, scores, level, &y)
        }
        _ => Err(apart(OP)),
    }
}
