//! Copies rows to other places: y\[i\] = x\[from\[i\]\].
//!
//! # Shapes
//! x (n, d), from (m), y (m, d). Where from is [`KEEP`], the row of y stays as it is; so rows are scattered, too.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, check_len};

/// Leaves a row of y as it is.
pub const KEEP: u32 = u32::MAX;

/// Copies rows of `d` elements of `x` to `y`.
///
/// # Errors
/// When x is not whole rows, a place lies outside it, or y is not a row for each place.
pub fn gather(x: &[f32], d: usize, from: &[u32], y: &mut [f32]) -> Result<()> {
    let n = x.len() / d.max(1);
    check_len("gather", "x", n * d, x.len())?;
    check_len("gather", "y", from.len() * d, y.len())?;
    if let Some(place) = from.iter().find(|place| **place != KEEP && **place as usize >= n) {
        let expected = format!("places among {n} rows");
        return Err(Error::Shape { op: "gather", expected, found: place.to_string() });
    }
    cpu::gather(x, d, from, y);
    Ok(())
}
