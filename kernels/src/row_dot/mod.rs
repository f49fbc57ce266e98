//! One output of a linear layer: y = x w + b for each row of x.
//!
//! # Shapes
//! x (m, d) row-major, w (d), y (m).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

const OP: &str = "row_dot";

/// Multiplies each row of `x` with `w`.
///
/// # Errors
/// When x is not a row of the width of w for each element of y, or an operand lives on a device.
pub fn row_dot<'a>(
    x: impl Into<BufferView<'a>>,
    w: impl Into<BufferView<'a>>,
    bias: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, w, y) = (x.into().host(OP)?, w.into().host(OP)?, y.into().host(OP)?);
    check_len(OP, "x", y.len() * w.len(), x.len())?;
    cpu::row_dot(x, w, bias, y);
    Ok(())
}
