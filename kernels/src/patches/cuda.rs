//! A thread a value of the rows.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;
use crate::grid::Grid;

const PATCHES: Kernel = kernel!("patches.ptx", "patches");
const MERGE: Kernel = kernel!("patches.ptx", "merge");

pub(super) fn patches(image: Slice<'_>, size: Grid, p: usize, rows: &SliceMut<'_>) -> Result<()> {
    let c = image.len() / size.cells();
    run(&PATCHES, image, [c, size.rows, size.columns, p].map(Arg::size), rows)
}

pub(super) fn merge(cells: Slice<'_>, grid: Grid, c: usize, rows: &SliceMut<'_>) -> Result<()> {
    run(&MERGE, cells, [grid.rows, grid.columns, c].map(Arg::size), rows)
}

fn run<const N: usize>(kernel: &Kernel, x: Slice<'_>, sizes: [Arg; N], rows: &SliceMut<'_>) -> Result<()> {
    let half = Arg::Int(i32::from(rows.is_half()));
    let mut arguments = [half; 7];
    arguments[0] = x.arg();
    arguments[1] = rows.arg();
    arguments[2..2 + N].copy_from_slice(&sizes);
    rows.queue().launch_each(kernel, rows.len(), &arguments[..3 + N])
}
