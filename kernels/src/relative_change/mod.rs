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

use crate::error::{Error, Result, check_len};

/// Relative change from `b` to `a` over the rows of `d` elements whose flag in `left_out` (empty: all rows) is not set.
///
/// # Errors
/// When b is not whole rows, or a length does not fit.
pub fn relative_change(a: &[f32], b: &[f32], d: usize, left_out: &[bool]) -> Result<f64> {
    if d == 0 || !b.len().is_multiple_of(d) {
        let expected = format!("whole rows of {d}, at least one element a row");
        return Err(Error::Shape { op: "relative_change", expected, found: format!("{} elements", b.len()) });
    }
    check_len("relative_change", "a", b.len(), a.len())?;
    if !left_out.is_empty() {
        check_len("relative_change", "left out", b.len() / d, left_out.len())?;
    }
    Ok(cpu::relative_change(a, b, d, left_out))
}
