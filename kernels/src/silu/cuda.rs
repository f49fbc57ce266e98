//! A thread a value.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const SILU: Kernel = kernel!("silu.ptx", "silu");
const GATE: Kernel = kernel!("silu.ptx", "gate");

pub(super) fn silu(y: &SliceMut<'_>) -> Result<()> {
    y.queue().launch_each(&SILU, y.len(), &[y.arg(), Arg::size(y.len())])
}

pub(super) fn gate(z: Slice<'_>, y: &SliceMut<'_>) -> Result<()> {
    let half = Arg::Int(i32::from(y.is_half()));
    y.queue().launch_each(&GATE, y.len(), &[z.arg(), y.arg(), Arg::size(y.len()), half])
}
