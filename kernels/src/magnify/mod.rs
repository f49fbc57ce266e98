//! Transformed residuals of descriptors that are `gain` times as long: magnitudes times the gain, squares times its square.
//!
//! # Shapes
//! x (m, d) row-major, in place, d even: a row is d / 2 magnitudes, then d / 2 squares, as [`crate::residual`] makes them.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferViewMut;
use crate::device::cuda::check_floats;
use crate::error::{Error, Result};

/// Brings each row of `d` elements to another size. A gain of 1 changes nothing.
///
/// # Errors
/// When `d` is odd or x is not whole rows.
pub fn magnify<'a>(x: impl Into<BufferViewMut<'a>>, d: usize, gain: f32) -> Result<()> {
    let x = x.into();
    if d == 0 || !d.is_multiple_of(2) || !x.len().is_multiple_of(d) {
        let found = format!("{} elements in rows of {d}", x.len());
        return Err(Error::Shape { op: "magnify", expected: "whole rows of an even width".into(), found });
    }
    match x {
        _ if gain == 1.0 => Ok(()),
        BufferViewMut::Host(x) => {
            cpu::magnify(x, d, gain);
            Ok(())
        }
        BufferViewMut::Cuda(x) => {
            check_floats("magnify", &x, &[x.as_slice()])?;
            cuda::magnify(&x, d, gain)
        }
    }
}
