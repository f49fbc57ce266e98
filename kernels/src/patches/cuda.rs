//! A thread a value of the rows.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const PATCHES: Kernel = kernel!("patches.ptx", "patches");
const MERGE: Kernel = kernel!("patches.ptx", "merge");

pub(super) fn patches(image: Slice<'_>, side: usize, p: usize, rows: &SliceMut<'_>) -> Result<()> {
    let c = image.len() / (side * side);
    run(&PATCHES, image, [c, side, p].map(Arg::size), rows)
}

pub(super) fn merge(cells: Slice<'_>, side: usize, c: usize, rows: &SliceMut<'_>) -> Result<()> {
    run(&MERGE, cells, [side, c].map(Arg::size), rows)
}

fn run<const N: usize>(kernel: &Kernel, x: Slice<'_>, sizes: [Arg; N], rows: &SliceMut<'_>) -> Result<()> {
    let half = Arg::Int(i32::from(rows.is_half()));
    let mut arguments = [half; 6];
    arguments[0] = x.arg();
    arguments[1] = rows.arg();
    arguments[2..2 + N].copy_from_slice(&sizes);
    rows.queue().launch_each(kernel, rows.len(), &arguments[..3 + N])
}
