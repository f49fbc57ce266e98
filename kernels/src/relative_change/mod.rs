//! How much rows differ from others, as a part of the length of the others: sqrt(sum |a - b|^2 / sum |b|^2).
//!
//! # Shapes
//! a, b (m, d) row-major, left out (m) or empty -> one value: 0 for equal rows, near 1.4 for rows that have nothing in
//! common.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferView;
use crate::error::{Error, Result, check_len};

const OP: &str = "relative_change";

/// Relative change from `b` to `a` over the rows of `d` elements whose flag in `left_out` (empty: all rows) is not set.
///
/// # Errors
/// When b is not whole rows, a length does not fit, or an operand lives on a device.
pub fn relative_change<'a>(
    a: impl Into<BufferView<'a>>,
    b: impl Into<BufferView<'a>>,
    d: usize,
    left_out: &[bool],
) -> Result<f64> {
    let (a, b) = (a.into().host(OP)?, b.into().host(OP)?);
    if d == 0 || !b.len().is_multiple_of(d) {
        let expected = format!("whole rows of {d}, at least one element a row");
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", b.len()) });
    }
    check_len(OP, "a", b.len(), a.len())?;
    if !left_out.is_empty() {
        check_len(OP, "left out", b.len() / d, left_out.len())?;
    }
    Ok(cpu::relative_change(a, b, d, left_out))
}
