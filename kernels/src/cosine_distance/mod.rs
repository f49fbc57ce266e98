//! How far the directions of two rows lie apart: y = 1 - a . b / max(|a| |b|, 1e-8), the bound as PyTorch has it.
//!
//! # Shapes
//! a, b (n, c) row-major, y (n).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

/// The least product of the lengths of two rows.
const EPS: f32 = 1e-8;

/// Compares the rows of `c` elements of `a` and `b`.
///
/// # Errors
/// When a is no whole rows, b has another size, y is not a value for each row, or operands live apart.
pub fn cosine_distance<'a>(
    a: impl Into<BufferView<'a>>,
    b: impl Into<BufferView<'a>>,
    c: usize,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    const OP: &str = "cosine_distance";
    let (a, b, y) = (a.into(), b.into(), y.into());
    check_len(OP, "a", y.len() * c, a.len())?;
    check_len(OP, "b", a.len(), b.len())?;
    match (a, b, y) {
        (_, _, y) if c == 0 || y.is_empty() => Ok(()),
        (BufferView::Host(a), BufferView::Host(b), BufferViewMut::Host(y)) => {
            cpu::cosine_distance(a, b, c, y);
            Ok(())
        }
        (BufferView::Cuda(a), BufferView::Cuda(b), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&a, &b, y.as_slice()])?;
            cuda::cosine_distance(a, b, c, &y)
        }
        _ => Err(apart(OP)),
    }
}
