//! Values to one column of other rows: y\[place\[i\], column\] = x\[i\].
//!
//! # Shapes
//! x, places (m), y (n, d) row-major; what no place names stays as it is.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};

const OP: &str = "scatter";

/// Writes each value to `column` of the row of `d` elements that its place names.
///
/// # Errors
/// When there is not a place for each value, a place is no row of y, the row has no such column, or an operand lives on
/// a device.
pub fn scatter<'a>(
    x: impl Into<BufferView<'a>>,
    places: impl Into<BufferView<'a, u32>>,
    column: usize,
    d: usize,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, places, y) = (x.into().host(OP)?, places.into().host(OP)?, y.into().host(OP)?);
    check_len(OP, "places", x.len(), places.len())?;
    let n = y.len() / d.max(1);
    check_len(OP, "y", n * d, y.len())?;
    let wrong = |expected: String, found: String| Err(Error::Shape { op: OP, expected, found });
    if column >= d {
        return wrong(format!("one of {d} columns"), column.to_string());
    }
    if let Some(place) = places.iter().find(|place| **place as usize >= n) {
        return wrong(format!("places among {n} rows"), place.to_string());
    }
    cpu::scatter(x, places, column, d, y);
    Ok(())
}
