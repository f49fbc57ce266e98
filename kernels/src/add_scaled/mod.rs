//! Adds a multiple: y += a x. The mean of several layers is made of such sums.
//!
//! # Shapes
//! x, y (n).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Result, check_len};

/// Adds `a` times `x` to `y`; on the host the product is rounded before it is added.
///
/// # Errors
/// When the lengths differ, or operands live apart.
pub fn add_scaled<'a>(x: impl Into<BufferView<'a>>, a: f32, y: impl Into<BufferViewMut<'a>>) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    check_len("add_scaled", "x", y.len(), x.len())?;
    match (x, y) {
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::add_scaled(x, a, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats("add_scaled", &y, &[&x, y.as_slice()])?;
            cuda::add_scaled(x, a, &y)
        }
        _ => Err(apart("add_scaled")),
    }
}
