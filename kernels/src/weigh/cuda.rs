//! A thread a value.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("weigh.ptx", "weigh");

pub(super) fn weigh(probabilities: Slice<'_>, scores: Slice<'_>, level: f32, y: &SliceMut<'_>) -> Result<()> {
    let arguments = [probabilities.arg(), scores.arg(), Arg::Float(level), y.arg(), Arg::size(y.len())];
    y.queue().launch_each(&KERNEL, y.len(), &arguments)
}
