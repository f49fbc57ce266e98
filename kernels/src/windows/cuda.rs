//! A thread a value of y.

use super::Window;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;
use crate::grid::Grid;

const KERNEL: Kernel = kernel!("windows.ptx", "windows");

pub(super) fn windows(x: Slice<'_>, grid: Grid, c: usize, window: Window, y: &SliceMut<'_>) -> Result<()> {
    let (Window { side, step, border }, over) = (window, window.outputs(grid));
    let sizes = [grid.rows, grid.columns, c, side, step, border, over.rows, over.columns].map(Arg::size);
    let [height, width, c, side, step, border, rows, columns] = sizes;
    let [x_half, y_half] = [x.is_half(), y.is_half()].map(|half| Arg::Int(i32::from(half)));
    let arguments = [x.arg(), x_half, y.arg(), height, width, c, side, step, border, rows, columns, y_half];
    y.queue().launch_each(&KERNEL, y.len(), &arguments)
}
