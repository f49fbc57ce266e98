//! Copies rows to other places: y\[i\] = x\[from\[i\]\].
//!
//! # Shapes
//! x (n, d), from (m), y (m, d). Where from is [`KEEP`], the row of y stays as it is; so rows are scattered, too.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};

const OP: &str = "gather";

/// Leaves a row of y as it is.
pub const KEEP: u32 = u32::MAX;

/// Copies rows of `d` elements of `x` to `y`.
///
/// # Errors
/// When x is not whole rows, a place lies outside it, y is not a row for each place, or an operand lives on a device.
pub fn gather<'a>(
    x: impl Into<BufferView<'a>>,
    d: usize,
    from: impl Into<BufferView<'a, u32>>,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, from, y) = (x.into().host(OP)?, from.into().host(OP)?, y.into().host(OP)?);
    let n = x.len() / d.max(1);
    check_len(OP, "x", n * d, x.len())?;
    check_len(OP, "y", from.len() * d, y.len())?;
    if let Some(place) = from.iter().find(|place| **place != KEEP && **place as usize >= n) {
        let expected = format!("places among {n} rows");
        return Err(Error::Shape { op: OP, expected, found: place.to_string() });
    }
    cpu::gather(x, d, from, y);
    Ok(())
}
