//! Overlapping windows of a map laid in rows, so that a dense convolution of the map is a linear layer: windows of `side` x
//! `side` cells, `step` cells apart, with `border` zeros on each side of the map, as PyTorch pads.
//!
//! y\[r, q, i, j, c\] = x\[step r + i - border, step q + j - border, c\]
//!
//! # Shapes
//! x (rows, columns, c), channels last; y ((rows + 2 border - side) / step + 1, the same of the columns, side side c). A device may
//! keep both as bf16.

mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_queue;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};
use crate::grid::Grid;

/// Windows over a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side in cells.
    pub side: usize,
    /// Cells from one to the next.
    pub step: usize,
    /// Cells without values around the map.
    pub border: usize,
}

impl Window {
    /// Rows and columns of windows over a map of `grid`.
    pub fn outputs(self, grid: Grid) -> Grid {
        let along = |n: usize| match (n + 2 * self.border).checked_sub(self.side) {
            Some(rest) => rest / self.step.max(1) + 1,
            None => 0,
        };
        Grid { rows: along(grid.rows), columns: along(grid.columns) }
    }

    /// Checks a map x of `grid` and the length of a result with `each` elements for each window and channel, and returns
    /// the number of channels.
    pub(crate) fn check(
        self,
        op: &'static str,
        grid: Grid,
        x: usize,
        each: usize,
        y: usize,
    ) -> Result<usize> {
        if self.side == 0 || self.step == 0 || self.border >= self.side {
            let expected = "a side and a step of at least 1, a border less than the side".to_owned();
            let found = format!("{}, {} and {}", self.side, self.step, self.border);
            return Err(Error::Shape { op, expected, found });
        }
        let c = x / grid.cells().max(1);
        check_len(op, "x", c * grid.cells(), x)?;
        check_len(op, "y", self.outputs(grid).cells() * each * c, y)?;
        Ok(c)
    }
}

/// Lays the windows of a map of `grid` in rows.
///
/// # Errors
/// When side or step is 0, the border is not less than the side, x is no such map, y has another size, or operands live
/// apart.
pub fn windows<'a>(
    x: impl Into<BufferView<'a>>,
    grid: Grid,
    window: Window,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    const OP: &str = "windows";
    let (x, y) = (x.into(), y.into());
    let c = window.check(OP, grid, x.len(), window.side * window.side, y.len())?;
    match (x, y) {
        (_, y) if y.is_empty() => Ok(()),
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::windows(x, grid, c, window, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_queue(OP, &y, &[&x])?;
            cuda::windows(x, grid, c, window, &y)
        }
        _ => Err(apart(OP)),
    }
}
