//! One output of a linear layer: y = x w + b for each row of x.
//!
//! # Shapes
//! x (m, d) row-major, w (d), y (m).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

const OP: &str = "row_dot";

/// Multiplies each row of `x` with `w`.
///
/// # Errors
/// When x is not a row of the width of w for each element of y, or operands live apart.
pub fn row_dot<'a>(
    x: impl Into<BufferView<'a>>,
    w: impl Into<BufferView<'a>>,
    bias: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, w, y) = (x.into(), w.into(), y.into());
    check_len(OP, "x", y.len() * w.len(), x.len())?;
    match (x, w, y) {
        (BufferView::Host(x), BufferView::Host(w), BufferViewMut::Host(y)) => {
            cpu::row_dot(x, w, bias, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferView::Cuda(w), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x, &w, y.as_slice()])?;
            cuda::row_dot(x, w, bias, &y)
        }
        _ => Err(apart(OP)),
    }
}
