//! Raw scores to one scale: y = x^2 / (1 + x^2) with x = raw / reference. The order is kept, and nothing saturates.
//!
//! # Shapes
//! raw, y (n).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

const OP: &str = "rate";

/// Brings each raw score to 0..1, where that of `reference` is 0.5.
///
/// # Errors
/// When the lengths differ, or an operand lives on a device.
pub fn rate<'a>(
    raw: impl Into<BufferView<'a>>,
    reference: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (raw, y) = (raw.into().host(OP)?, y.into().host(OP)?);
    check_len(OP, "raw scores", y.len(), raw.len())?;
    cpu::rate(raw, reference, y);
    Ok(())
}
