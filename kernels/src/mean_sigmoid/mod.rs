//! What several judges think on average: y = mean over the columns of sigmoid(x).
//!
//! # Shapes
//! x (m, c) row-major logits, y (m) probabilities.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result};

const OP: &str = "mean_sigmoid";

/// Averages the probabilities of each row of `x`.
///
/// # Errors
/// When x is not a row of equal, positive length for each element of y, or operands live apart.
pub fn mean_sigmoid<'a>(x: impl Into<BufferView<'a>>, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    let c = x.len() / y.len().max(1);
    if c * y.len() != x.len() || (c == 0 && !y.is_empty()) {
        let expected = format!("{} rows of equal length", y.len());
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", x.len()) });
    }
    match (x, y) {
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::mean_sigmoid(x, c, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x, y.as_slice()])?;
            cuda::mean_sigmoid(x, c, &y)
        }
        _ => Err(apart(OP)),
    }
}
