//! A thread a value of y.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("gather.ptx", "gather");

pub(super) fn gather(x: Slice<'_>, d: usize, from: Slice<'_>, y: &SliceMut<'_>) -> Result<()> {
    let [n, m, width] = [x.len() / d.max(1), from.len(), d].map(Arg::size);
    let half = Arg::Int(i32::from(y.is_half()));
    y.queue().launch_each(&KERNEL, y.len(), &[x.arg(), from.arg(), y.arg(), n, m, width, half])
}
