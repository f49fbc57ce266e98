//! Copies rows to other places: y\[i\] = x\[from\[i\]\].
//!
//! # Shapes
//! x (n, d), from (m), y (m, d), which a device may keep as bf16. Where from is [`KEEP`], the row of y stays as it is; so rows
//! are scattered, too.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::{check_floats, check_queue};
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

const OP: &str = "gather";

/// Leaves a row of y as it is.
pub const KEEP: u32 = u32::MAX;

/// Copies rows of `d` elements of `x` to `y`. On a device a place outside x counts as [`KEEP`].
///
/// # Errors
/// When x is not whole rows, a place of the host lies outside it, y is not a row for each place, or operands live apart.
pub fn gather<'a>(
    x: impl Into<BufferView<'a>>,
    d: usize,
    from: impl Into<BufferView<'a, u32>>,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, from, y) = (x.into(), from.into(), y.into());
    let n = x.len() / d.max(1);
    check_len(OP, "x", n * d, x.len())?;
    check_len(OP, "y", from.len() * d, y.len())?;
    match (x, from, y) {
        (BufferView::Host(x), BufferView::Host(from), BufferViewMut::Host(y)) => {
            if let Some(place) = from.iter().find(|place| **place != KEEP && **place as usize >= n) {
                let expected = format!("places among {n} rows");
                return Err(Error::Shape { op: OP, expected, found: place.to_string() });
            }
            cpu::gather(x, d, from, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferView::Cuda(from), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x])?;
            check_queue(OP, &y, &[&from])?;
            cuda::gather(x, d, from, &y)
        }
        _ => Err(apart(OP)),
    }
}
