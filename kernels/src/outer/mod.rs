//! Sum of the outer products of the rows of two matrices: Y = A^T B. The gradient of a linear layer's weight.
//!
//! # Shapes
//! a (rows, m), b (rows, n), y (m, n), all row-major.

pub(crate) mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};

const OP: &str = "outer";

/// Writes A^T B to `y`, a having rows of `m`, b of `n` elements. Sums are taken in the order of the
/// rows, on any number of threads.
///
/// # Errors
/// When a length does not fit, or an operand lives on a device.
pub fn outer<'a>(
    a: impl Into<BufferView<'a>>,
    m: usize,
    b: impl Into<BufferView<'a>>,
    n: usize,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (a, b, y) = (a.into().host(OP)?, b.into().host(OP)?, y.into().host(OP)?);
    if m == 0 || n == 0 {
        let expected = "rows of at least one element".to_owned();
        return Err(Error::Shape { op: OP, expected, found: format!("{m} and {n}") });
    }
    let rows = a.len() / m;
    check_len(OP, "a", rows * m, a.len())?;
    check_len(OP, "b", rows * n, b.len())?;
    check_len(OP, "y", m * n, y.len())?;
    let lay = |row: usize, part: Range<usize>, to: &mut [f32]| to.copy_from_slice(&a[row * m..][part]);
    cpu::outer(rows, m, lay, b, n, y);
    Ok(())
}
