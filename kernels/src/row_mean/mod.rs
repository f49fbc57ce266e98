//! Mean of each row: the waypoint value of a token is that of its transformed residual.
//!
//! # Shapes
//! x (m, d) row-major, y (m).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, check_len};

/// Averages each row of `d` elements of `x`.
///
/// # Errors
/// When a row is empty, or x is not a row for each element of y.
pub fn row_mean(x: &[f32], d: usize, y: &mut [f32]) -> Result<()> {
    if d == 0 {
        let expected = "rows of at least 1 element".to_owned();
        return Err(Error::Shape { op: "row_mean", expected, found: "0".to_owned() });
    }
    check_len("row_mean", "x", y.len() * d, x.len())?;
    cpu::row_mean(x, d, y);
    Ok(())
}
