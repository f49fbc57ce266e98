//! The largest value of each channel in overlapping windows of a map; cells of the border do not count.
//!
//! y\[r, q, c\] = max over i, j of x\[step r + i - border, step q + j - border, c\]
//!
//! # Shapes
//! x (rows, columns, c), channels last; y the same with a cell for each window, see [`Window::outputs`].

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::Result;
use crate::grid::Grid;
use crate::windows::Window;

/// Takes the largest values of a map of `grid`.
///
/// # Errors
/// When side or step is 0, the border is not less than the side, x is no such map, y has another size, or operands live
/// apart.
pub fn max_pool<'a>(
    x: impl Into<BufferView<'a>>,
    grid: Grid,
    window: Window,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    const OP: &str = "max_pool";
    let (x, y) = (x.into(), y.into());
    let c = window.check(OP, grid, x.len(), 1, y.len())?;
    match (x, y) {
        (_, y) if y.is_empty() => Ok(()),
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::max_pool(x, grid, c, window, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x, y.as_slice()])?;
            cuda::max_pool(x, grid, c, window, &y)
        }
        _ => Err(apart(OP)),
    }
}
