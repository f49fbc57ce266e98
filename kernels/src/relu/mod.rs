//! Rectifiers: y = max(0, y), and max(0, y + x), as at the end of a residual block.
//!
//! # Shapes
//! x, y (n), y in place; of the first a device may keep y as bf16.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

/// Replaces what is negative by 0.
///
/// # Errors
/// When the device fails.
pub fn relu<'a>(y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    match y.into() {
        BufferViewMut::Host(y) => {
            cpu::relu(y);
            Ok(())
        }
        BufferViewMut::Cuda(y) => cuda::relu(&y),
    }
}

/// Adds `x` to `y`, and replaces what is negative by 0.
///
/// # Errors
/// When there are more or fewer x than y, or operands live apart.
pub fn add_relu<'a>(x: impl Into<BufferView<'a>>, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    const OP: &str = "add_relu";
    let (x, y) = (x.into(), y.into());
    check_len(OP, "x", y.len(), x.len())?;
    match (x, y) {
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::add_relu(x, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x, y.as_slice()])?;
            cuda::add_relu(x, &y)
        }
        _ => Err(apart(OP)),
    }
}
