//! A warp a row.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("row_mean.ptx", "row_mean");

pub(super) fn row_mean(x: Slice<'_>, d: usize, y: &SliceMut<'_>) -> Result<()> {
    let m = y.len();
    y.queue().launch_each(&KERNEL, 32 * m, &[x.arg(), y.arg(), Arg::size(m), Arg::size(d)])
}
