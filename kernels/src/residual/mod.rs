//! The residual transform G of SNARM ("concat_abs_square"): magnitudes and squares of a signed residual, pooled by
//! neighbouring pairs back to its width.
//!
//! `y[j] = (|r[2j]| + |r[2j+1]|) / 2` for j < d/2, and `y[d/2 + j] = (r[2j]^2 + r[2j+1]^2) / 2`.
//!
//! # Shapes
//! r, y (m, d) row-major, d even.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

/// Transforms each row of `d` signed residuals.
///
/// # Errors
/// When `d` is odd, a length does not fit, or operands live apart.
pub fn residual<'a>(r: impl Into<BufferView<'a>>, d: usize, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (r, y) = (r.into(), y.into());
    if !d.is_multiple_of(2) || d == 0 || !r.len().is_multiple_of(d) {
        let found = format!("{} elements in rows of {d}", r.len());
        return Err(Error::Shape { op: "residual", expected: "whole rows of an even width".into(), found });
    }
    check_len("residual", "y", r.len(), y.len())?;
    match (r, y) {
        (BufferView::Host(r), BufferViewMut::Host(y)) => {
            cpu::residual(r, d, y);
            Ok(())
        }
        (BufferView::Cuda(r), BufferViewMut::Cuda(y)) => {
            check_floats("residual", &y, &[&r, y.as_slice()])?;
            cuda::residual(r, d, &y)
        }
        _ => Err(apart("residual")),
    }
}
