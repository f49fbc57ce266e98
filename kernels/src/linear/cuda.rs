//! One product of bf16 on tensor cores; what follows happens to the finished tile.

use super::Then;
use crate::device::cuda::{Arg, Device, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const WIDE: Kernel = kernel!("linear.ptx", "linear");
const NARROW: Kernel = kernel!("linear.ptx", "linear_narrow");

/// How a product is cut into tiles, as in tile.cuh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tiles {
    /// 64 x 64, by four warps.
    Wide,
    /// 32 x 32, by eight warps that share k.
    Narrow,
}

impl Tiles {
    /// Those of `blocks` products (m, k) by (k, n): wide ones where they are enough for all processors of the device, or k is
    /// not worth to be shared.
    pub(crate) fn of(device: &Device, [blocks, m, n, k]: [usize; 4]) -> Self {
        let wide = m.div_ceil(WIDE_TILE) * n.div_ceil(WIDE_TILE) * blocks;
        if k > 64 && wide < 2 * device.processors { Self::Narrow } else { Self::Wide }
    }

    /// Tiles along n and m.
    pub(crate) fn across(self, m: usize, n: usize) -> [usize; 2] {
        let side = match self {
            Self::Wide => WIDE_TILE,
            Self::Narrow => 32,
        };
        [n.div_ceil(side), m.div_ceil(side)]
    }

    /// Threads of a block.
    pub(crate) fn threads(self) -> usize {
        match self {
            Self::Wide => WIDE_THREADS,
            Self::Narrow => 256,
        }
    }

    /// Bytes of shared memory of a block for products of k.
    pub(crate) fn shared(self, k: usize) -> usize {
        match self {
            Self::Wide => WIDE_SHARED,
            Self::Narrow => (k.div_ceil(128).min(5) * 64 * (128 + 8) * 2).max(8 * 32 * (32 + 8) * 4),
        }
    }
}

/// Side of a wide tile, threads of a block and its bytes of shared memory.
pub(crate) const WIDE_TILE: usize = 64;
pub(crate) const WIDE_THREADS: usize = 128;
pub(crate) const WIDE_SHARED: usize = 3 * 2 * WIDE_TILE * (32 + 8) * 2;

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
    let tiles = Tiles::of(y.queue().device(), [blocks, m, n, k]);
    let kernel = if tiles == Tiles::Wide { &WIDE } else { &NARROW };
    let [across, down] = tiles.across(m, n);
    y.queue().launch(kernel, [across, down, blocks], tiles.threads(), tiles.shared(k), &arguments)
}
