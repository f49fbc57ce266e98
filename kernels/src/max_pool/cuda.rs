//! A thread a value of y.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;
use crate::grid::Grid;
use crate::windows::Window;

const KERNEL: Kernel = kernel!("max_pool.ptx", "max_pool");

pub(super) fn max_pool(x: Slice<'_>, grid: Grid, c: usize, window: Window, y: &SliceMut<'_>) -> Result<()> {
    let (Window { side, step, border }, over) = (window, window.outputs(grid));
    let sizes = [grid.rows, grid.columns, c, side, step, border, over.rows, over.columns].map(Arg::size);
    let [height, width, c, side, step, border, rows, columns] = sizes;
    let arguments = [x.arg(), y.arg(), height, width, c, side, step, border, rows, columns];
    y.queue().launch_each(&KERNEL, y.len(), &arguments)
}
