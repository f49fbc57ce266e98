//! A thread a pair.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("residual.ptx", "residual");

pub(super) fn residual(r: Slice<'_>, d: usize, y: &SliceMut<'_>) -> Result<()> {
    let sizes = [r.len() / d, d].map(Arg::size);
    y.queue().launch_each(&KERNEL, r.len() / 2, &[r.arg(), y.arg(), sizes[0], sizes[1]])
}
