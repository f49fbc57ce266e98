//! One product of bf16 on tensor cores; what follows happens to the finished tile.

use super::Then;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("linear.ptx", "linear");

/// Side of a tile, threads of a block and its bytes of shared memory, as in tile.cuh.
pub(crate) const TILE: usize = 64;
pub(crate) const THREADS: usize = 128;
pub(crate) const SHARED: usize = 3 * 2 * TILE * (32 + 8) * 2;

/// `blocks` of `m` rows of `k` elements, each by its layer of `n` rows; as many layers as bias has rows.
pub(super) fn linear(
    x: Slice<'_>,
    w: Slice<'_>,
    bias: Slice<'_>,
    [blocks, m, n, k]: [usize; 4],
    then: Then,
    y: &SliceMut<'_>,
) -> Result<()> {
    if blocks * m * n == 0 {
        return Ok(());
    }
    let then = match then {
        Then::Store => 0,
        Then::Gelu => 1,
        Then::Relu6 => 2,
        Then::Add => 3,
    };
    let [m_size, n_size, k_size, layers] = [m, n, k, bias.len() / n].map(Arg::size);
    let (then, half) = (Arg::Int(then), Arg::Int(i32::from(y.is_half())));
    let arguments = [x.arg(), w.arg(), bias.arg(), y.arg(), m_size, n_size, k_size, layers, then, half];
    y.queue().launch(&KERNEL, [n.div_ceil(TILE), m.div_ceil(TILE), blocks], THREADS, SHARED, &arguments)
}
