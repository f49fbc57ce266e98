//! Sigmoid-weighted units (arXiv 1702.03118), silu(v) = v / (1 + exp(-v)): y = silu(y), and the gate y = y silu(z).
//!
//! # Shapes
//! y, z (n), y in place; of a gate a device may keep y as bf16.

pub(crate) mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

/// Replaces each value by its unit.
///
/// # Errors
/// When the device fails.
pub fn silu<'a>(y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    match y.into() {
        BufferViewMut::Host(y) => {
            cpu::silu(y);
            Ok(())
        }
        BufferViewMut::Cuda(y) => {
            check_floats("silu", &y, &[y.as_slice()])?;
            cuda::silu(&y)
        }
    }
}

/// Multiplies each value of `y` by the unit of `z`.
///
/// # Errors
/// When there are more or fewer z than y, or operands live apart.
pub fn gate<'a>(z: impl Into<BufferView<'a>>, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    const OP: &str = "gate";
    let (z, y) = (z.into(), y.into());
    check_len(OP, "z", y.len(), z.len())?;
    match (z, y) {
        (BufferView::Host(z), BufferViewMut::Host(y)) => {
            cpu::gate(z, y);
            Ok(())
        }
        (BufferView::Cuda(z), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&z])?;
            cuda::gate(z, &y)
        }
        _ => Err(apart(OP)),
    }
}
