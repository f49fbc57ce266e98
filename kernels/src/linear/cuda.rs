//! One product of bf16 on tensor cores; what follows happens to the finished tile.

use super::Then;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("linear.ptx", "linear");

/// Side of a tile, threads of a block and its bytes of shared memory, as in tile.cuh.
pub(crate) const TILE: usize = 64;
pub(crate) const THREADS: usize = 128;
pub(crate) const SHARED: usize = 3 * 2 * TILE * (32 + 8) * 2;

pub(super) fn linear(
    x: Slice<'_>,
    w: Slice<'_>,
    bias: Slice<'_>,
    k: usize,
    then: Then,
    y: &SliceMut<'_>,
) -> Result<()> {
    let n = bias.len();
    let m = x.len() / k.max(1);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let then = match then {
        Then::Store => 0,
        Then::Gelu => 1,
        Then::Relu6 => 2,
        Then::Add => 3,
    };
    let addresses = [x.arg(), w.arg(), bias.arg(), y.arg()];
    let numbers =
        [Arg::size(m), Arg::size(n), Arg::size(k), Arg::Int(then), Arg::Int(i32::from(y.is_half()))];
    let arguments: [Arg; 9] = std::array::from_fn(|i| if i < 4 { addresses[i] } else { numbers[i - 4] });
    y.queue().launch(&KERNEL, [n.div_ceil(TILE), m.div_ceil(TILE), 1], THREADS, SHARED, &arguments)
}
