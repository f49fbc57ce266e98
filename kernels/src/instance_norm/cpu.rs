//! Blocks of cells over threads: sums of each block, means of all; squares about the means, deviations; then one pass that
//! writes. Blocks are always cut alike, so that results do not depend on the number of threads.

use rayon::prelude::*;

use super::Then;
use crate::silu;
use crate::simd::dispatch;

/// Cells of a block.
const BLOCK: usize = 128;

/// Figures of the channels.
#[derive(Debug, Default)]
pub struct Workspace {
    /// For each block, (blocks, c).
    sums: Vec<f32>,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

pub(super) fn instance_norm(y: &mut [f32], c: usize, eps: f32, then: Then, w: &mut Workspace) {
    let (cells, block) = (y.len() / c, BLOCK * c);
    w.sums.resize(cells.div_ceil(BLOCK) * c, 0.0);
    w.mean.clear();
    w.mean.resize(c, 0.0);
    w.scale.resize(c, 0.0);
    block_sums(y, &w.mean, &mut w.sums, |difference| difference);
    total(&w.sums, cells, &mut w.mean);
    block_sums(y, &w.mean, &mut w.sums, |difference| difference * difference);
    total(&w.sums, cells, &mut w.scale);
    w.scale.iter_mut().for_each(|v| *v = 1.0 / (*v + eps).sqrt());
    let (mean, scale) = (&w.mean, &w.scale);
    y.par_chunks_mut(block).for_each(|y| {
        dispatch(
            #[inline(always)]
            || {
                for y in y.chunks_exact_mut(c) {
                    for ((y, mean), scale) in y.iter_mut().zip(mean).zip(scale) {
                        *y = (*y - mean) * scale;
                    }
                }
            },
        );
        if then == Then::Silu {
            silu::cpu::block(y);
        }
    });
}

/// The sums of `of` (value - mean) over the cells of each block.
fn block_sums(y: &[f32], mean: &[f32], sums: &mut [f32], of: impl Fn(f32) -> f32 + Sync) {
    let c = mean.len();
    sums.par_chunks_mut(c).zip(y.par_chunks(BLOCK * c)).for_each(|(sums, y)| {
        dispatch(
            #[inline(always)]
            || {
                sums.fill(0.0);
                for y in y.chunks_exact(c) {
                    for ((sum, y), mean) in sums.iter_mut().zip(y).zip(mean) {
                        *sum += of(y - mean);
                    }
                }
            },
        );
    });
}

/// The means over all cells.
fn total(sums: &[f32], cells: usize, means: &mut [f32]) {
    let c = means.len();
    for (channel, mean) in means.iter_mut().enumerate() {
        let sum: f64 = sums.iter().skip(channel).step_by(c).map(|v| f64::from(*v)).sum();
        *mean = (sum / cells as f64) as f32;
    }
}
