//! Mean of each row: the waypoint value of a token is that of its transformed residual.
//!
//! # Shapes
//! x (m, d) row-major, y (m).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

/// Averages each row of `d` elements of `x`.
///
/// # Errors
/// When a row is empty, x is not a row for each element of y, or operands live apart.
pub fn row_mean<'a>(x: impl Into<BufferView<'a>>, d: usize, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    if d == 0 {
        let expected = "rows of at least 1 element".to_owned();
        return Err(Error::Shape { op: "row_mean", expected, found: "0".to_owned() });
    }
    check_len("row_mean", "x", y.len() * d, x.len())?;
    match (x, y) {
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::row_mean(x, d, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats("row_mean", &y, &[&x, y.as_slice()])?;
            cuda::row_mean(x, d, &y)
        }
        _ => Err(apart("row_mean")),
    }
}
