//! A thread a value of y.

use super::Corners;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("upsample.ptx", "upsample");

pub(super) fn upsample(
    x: Slice<'_>,
    from: (usize, usize),
    to: (usize, usize),
    c: usize,
    corners: Corners,
    y: &SliceMut<'_>,
) -> Result<()> {
    let [height, width, c, rows, columns] = [from.0, from.1, c, to.0, to.1].map(Arg::size);
    let centres = Arg::Int(i32::from(corners == Corners::Centres));
    let arguments = [x.arg(), y.arg(), height, width, c, rows, columns, centres];
    y.queue().launch_each(&KERNEL, y.len(), &arguments)
}
