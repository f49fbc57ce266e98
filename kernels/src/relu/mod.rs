//! Rectifiers: y = max(0, y), and max(0, y + x), as at the end of a residual block.
//!
//! # Shapes
//! x, y (n), y in place.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

/// Replaces what is negative by 0.
///
/// # Errors
/// When y lives on a device.
pub fn relu<'a>(y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    cpu::relu(y.into().host("relu")?);
    Ok(())
}

/// Adds `x` to `y`, and replaces what is negative by 0.
///
/// # Errors
/// When there are more or fewer x than y, or an operand lives on a device.
pub fn add_relu<'a>(x: impl Into<BufferView<'a>>, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (x, y) = (x.into().host("add_relu")?, y.into().host("add_relu")?);
    check_len("add_relu", "x", y.len(), x.len())?;
    cpu::add_relu(x, y);
    Ok(())
}
