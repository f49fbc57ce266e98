//! Eight channels a block, its threads side by side along the cells.

use super::Then;
use crate::device::cuda::{Arg, Kernel, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("instance_norm.ptx", "instance_norm");

/// Channels of a block, and cells that it looks at together, as in the kernel.
const CHANNELS: usize = 8;
const LINES: usize = 128;

pub(super) fn instance_norm(y: &SliceMut<'_>, c: usize, eps: f32, then: Then) -> Result<()> {
    if y.is_empty() {
        return Ok(());
    }
    let (cells, threads) = (y.len() / c, CHANNELS * LINES);
    let silu = Arg::Int(i32::from(then == Then::Silu));
    let arguments = [y.arg(), Arg::size(cells), Arg::size(c), Arg::Float(eps), silu];
    let shared = threads / 32 * CHANNELS * size_of::<f32>();
    y.queue().launch(&KERNEL, [c.div_ceil(CHANNELS), 1, 1], threads, shared, &arguments)
}
