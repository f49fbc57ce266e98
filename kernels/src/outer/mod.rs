//! Sum of the outer products of the rows of two matrices: Y = A^T B. The gradient of a linear layer's weight.
//!
//! # Shapes
//! a (rows, m), b (rows, n), y (m, n), all row-major.

pub(crate) mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, check_len};

/// Writes A^T B to `y`, a having rows of `m`, b of `n` elements. The sum is taken in an order that depends on nothing but
/// the sizes and the number of threads.
///
/// # Errors
/// When a length does not fit.
pub fn outer(a: &[f32], m: usize, b: &[f32], n: usize, y: &mut [f32]) -> Result<()> {
    const OP: &str = "outer";
    if m == 0 || n == 0 {
        let expected = "rows of at least one element".to_owned();
        return Err(Error::Shape { op: OP, expected, found: format!("{m} and {n}") });
    }
    let rows = a.len() / m;
    check_len(OP, "a", rows * m, a.len())?;
    check_len(OP, "b", rows * n, b.len())?;
    check_len(OP, "y", m * n, y.len())?;
    let lay = |row: usize, turned: &mut [f32], stride: usize| {
        cpu::turn(&a[row * m..][..m], turned, stride);
    };
    cpu::sum(rows, m, &lay, b, n, y);
    Ok(())
}
