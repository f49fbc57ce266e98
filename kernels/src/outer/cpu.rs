//! Rows of the result over threads, each summed in the same order whatever their number. A block of rows of A is turned,
//! so that they become the inner dimension of a product: what a tile of the result reads in one step lies together.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::simd::{isa, mul_add};
use crate::tile::{MAX_COLS, Panels, Tiled, tile_rows, tiled};

/// Rows of a block: a panel of them and what a tile reads of A are 44 KiB at the widest level.
const BLOCK: usize = 256;

/// Writes Y = A^T B: A has `rows` rows of `m` elements, of which `lay` writes any range of one row to a slice, and B rows
/// of `n` elements.
pub(crate) fn outer(
    rows: usize,
    m: usize,
    lay: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
    b: &[f32],
    n: usize,
    y: &mut [f32],
) {
    let per_task = m.div_ceil(rayon::current_num_threads()).next_multiple_of(tile_rows(isa()));
    y.par_chunks_mut(per_task * n).enumerate().for_each(|(task, y)| {
        y.fill(0.0);
        let used = y.len() / n;
        let part = task * per_task..task * per_task + used;
        let mut line = vec![0.0; used.next_multiple_of(tile_rows(isa()))];
        let (mut turned, mut panels) = (Aligned::default(), Panels::default());
        for first in (0..rows).step_by(BLOCK) {
            let steps = BLOCK.min(rows - first);
            turned.resize(steps * line.len());
            for step in 0..steps {
                lay(first + step, part.clone(), &mut line[..used]);
                let blocks = turned.chunks_exact_mut(steps * tile_rows(isa()));
                for (block, line) in blocks.zip(line.chunks_exact(tile_rows(isa()))) {
                    block[step * line.len()..][..line.len()].copy_from_slice(line);
                }
            }
            panels.pack_rows(&b[first * n..][..steps * n], steps, n);
            tiled(panels.isa(), Add { turned: &turned, panels: &panels, y });
        }
    });
}

/// y += A^T B for one block of rows.
struct Add<'a> {
    /// (m / rows of a tile, rows, rows of a tile)
    turned: &'a [f32],
    panels: &'a Panels,
    y: &'a mut [f32],
}

impl Tiled for Add<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize>(self, simd: S) {
        let (cols, n, k) = (2 * S::F32_LANES, self.panels.n(), self.panels.k());
        let mut line = [0.0_f32; MAX_COLS];
        for (p, panel) in self.panels.panels().enumerate() {
            let (from, used) = (p * cols, cols.min(n - p * cols));
            let (steps, _) = S::as_simd_f32s(panel).0.as_chunks::<2>();
            for (block, y) in self.turned.chunks_exact(k * MR).zip(self.y.chunks_mut(MR * n)) {
                let sums = tile::<S, MR>(simd, block, steps);
                for (sum, y) in sums.iter().zip(y.chunks_exact_mut(n)) {
                    let (head, _) = S::as_mut_simd_f32s(&mut line);
                    head[0] = sum[0];
                    head[1] = sum[1];
                    y[from..from + used].iter_mut().zip(&line).for_each(|(y, v)| *y += v);
                }
            }
        }
    }
}

/// Sums of one tile: element `i` of the rows of A times column `j` of the panel.
#[inline(always)]
fn tile<S: Simd, const MR: usize>(simd: S, a: &[f32], steps: &[[S::f32s; 2]]) -> [[S::f32s; 2]; MR] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; MR];
    for (a, &[b0, b1]) in a.as_chunks::<MR>().0.iter().zip(steps) {
        for (sum, a) in sums.iter_mut().zip(a) {
            let a = simd.splat_f32s(*a);
            sum[0] = mul_add(simd, a, b0, sum[0]);
            sum[1] = mul_add(simd, a, b1, sum[1]);
        }
    }
    sums
}
