//! A thread a value.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("add_scaled.ptx", "add_scaled");

pub(super) fn add_scaled(x: Slice<'_>, a: f32, y: &SliceMut<'_>) -> Result<()> {
    y.queue().launch_each(&KERNEL, y.len(), &[x.arg(), y.arg(), Arg::size(y.len()), Arg::Float(a)])
}
