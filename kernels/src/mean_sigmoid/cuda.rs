//! A thread a row.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("mean_sigmoid.ptx", "mean_sigmoid");

pub(super) fn mean_sigmoid(x: Slice<'_>, c: usize, y: &SliceMut<'_>) -> Result<()> {
    y.queue().launch_each(&KERNEL, y.len(), &[x.arg(), y.arg(), Arg::size(y.len()), Arg::size(c)])
}
