//! Rows of one length: each is scaled to a mean square of 1; a row of zeros stays as it is.
//!
//! # Shapes
//! x (m, d) row-major, in place.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferViewMut;
use crate::device::cuda::check_floats;
use crate::error::{Error, Result};

const OP: &str = "unit_rows";

/// Scales each row of `d` elements.
///
/// # Errors
/// When x is not whole rows, or the device fails.
pub fn unit_rows<'a>(x: impl Into<BufferViewMut<'a>>, d: usize) -> Result<()> {
    let x = x.into();
    if d == 0 || !x.len().is_multiple_of(d) {
        let expected = format!("whole rows of {d}, at least one element a row");
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", x.len()) });
    }
    match x {
        BufferViewMut::Host(x) => {
            cpu::unit_rows(x, d);
            Ok(())
        }
        BufferViewMut::Cuda(x) => {
            check_floats(OP, &x, &[x.as_slice()])?;
            cuda::unit_rows(&x, d)
        }
    }
}
