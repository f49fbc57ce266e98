//! Sigmoid-weighted units (arXiv 1702.03118), silu(v) = v / (1 + exp(-v)): y = silu(y), and the gate y = y silu(z).
//!
//! # Shapes
//! y, z (n), y in place.

pub(crate) mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

/// Replaces each value by its unit.
///
/// # Errors
/// When y lives on a device.
pub fn silu<'a>(y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    cpu::silu(y.into().host("silu")?);
    Ok(())
}

/// Multiplies each value of `y` by the unit of `z`.
///
/// # Errors
/// When there are more or fewer z than y, or an operand lives on a device.
pub fn gate<'a>(z: impl Into<BufferView<'a>>, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (z, y) = (z.into().host("gate")?, y.into().host("gate")?);
    check_len("gate", "z", y.len(), z.len())?;
    cpu::gate(z, y);
    Ok(())
}
