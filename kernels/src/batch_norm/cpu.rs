//! Blocks of rows over threads; sums over rows are taken block by block and then in f64.

use rayon::prelude::*;

use super::{Affine, Statistics};
use crate::simd::dispatch;

/// Rows of a block.
const BLOCK: usize = 256;

/// For each channel, the sums over rows of what `add` adds to them, a row at a time.
fn sums(rows: usize, width: usize, add: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f64> {
    let blocks = rows.div_ceil(BLOCK);
    let mut parts = vec![0.0_f32; blocks * width];
    parts.par_chunks_mut(width.max(1)).enumerate().for_each(|(block, part)| {
        dispatch(
            #[inline(always)]
            || (block * BLOCK..((block + 1) * BLOCK).min(rows)).for_each(|row| add(row, part)),
        );
    });
    let mut sums = vec![0.0_f64; width];
    for part in parts.chunks_exact(width.max(1)) {
        sums.iter_mut().zip(part).for_each(|(sum, v)| *sum += f64::from(*v));
    }
    sums
}

pub(super) fn statistics(x: &[f32], c: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = x.len() / c.max(1);
    let share = 1.0 / rows.max(1) as f64;
    let row = |i: usize| &x[i * c..][..c];
    let mean = sums(rows, c, |i, part| part.iter_mut().zip(row(i)).for_each(|(sum, v)| *sum += v));
    let mean: Vec<f32> = mean.iter().map(|sum| (sum * share) as f32).collect();
    let var = sums(rows, c, |i, part| {
        part.iter_mut().zip(row(i)).zip(&mean).for_each(|((sum, v), mean)| *sum += (v - mean) * (v - mean));
    });
    (mean, var.iter().map(|sum| (sum * share) as f32).collect())
}

fn scales(stats: &Statistics, eps: f32) -> Vec<f32> {
    stats.var.iter().map(|var| 1.0 / (var + eps).sqrt()).collect()
}

pub(super) fn forward(x: &[f32], stats: &Statistics, affine: Affine<&[f32]>, eps: f32, y: &mut [f32]) {
    let c = affine.weight.len();
    let scales = scales(stats, eps);
    if c == 0 {
        return;
    }
    y.par_chunks_mut(BLOCK * c).zip(x.par_chunks(BLOCK * c)).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
                    for j in 0..c {
                        let normed = (x[j] - stats.mean[j]) * scales[j];
                        y[j] = (normed * affine.weight[j] + affine.bias[j]).max(0.0);
                    }
                }
            },
        );
    });
}

pub(super) fn backward(
    x: &[f32],
    stats: &Statistics,
    affine: Affine<&[f32]>,
    eps: f32,
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let c = affine.weight.len();
    if c == 0 {
        return;
    }
    let scales = scales(stats, eps);
    let rows = x.len() / c;
    let channels = Channels { stats, scales: &scales, affine };
    let both = sums(rows, 2 * c, |i, part| {
        let (x, dy) = (&x[i * c..][..c], &dy[i * c..][..c]);
        let (to_weight, to_bias) = part.split_at_mut(c);
        for j in 0..c {
            let (normed, g) = channels.through(x[j], dy[j], j);
            to_weight[j] += g * normed;
            to_bias[j] += g;
        }
    });
    for (to, sum) in dweight.iter_mut().chain(dbias.iter_mut()).zip(&both) {
        *to = *sum as f32;
    }
    let share = 1.0 / rows.max(1) as f64;
    let means: Vec<f32> = both.iter().map(|sum| (sum * share) as f32).collect();
    let (slope, level) = means.split_at(c);
    dx.par_chunks_mut(BLOCK * c).zip(x.par_chunks(BLOCK * c).zip(dy.par_chunks(BLOCK * c))).for_each(
        |(dx, (x, dy))| {
            dispatch(
                #[inline(always)]
                || {
                    let rows = x.chunks_exact(c).zip(dy.chunks_exact(c));
                    for (dx, (x, dy)) in dx.chunks_exact_mut(c).zip(rows) {
                        for j in 0..c {
                            let (normed, g) = channels.through(x[j], dy[j], j);
                            dx[j] = affine.weight[j] * scales[j] * (g - level[j] - normed * slope[j]);
                        }
                    }
                },
            );
        },
    );
}

/// What is known of the channels on the way back.
#[derive(Clone, Copy)]
struct Channels<'a> {
    stats: &'a Statistics,
    scales: &'a [f32],
    affine: Affine<&'a [f32]>,
}

impl Channels<'_> {
    /// The normed value, and the gradient behind the ReLU.
    #[inline(always)]
    fn through(&self, x: f32, dy: f32, j: usize) -> (f32, f32) {
        let normed = (x - self.stats.mean[j]) * self.scales[j];
        let open = normed * self.affine.weight[j] + self.affine.bias[j] > 0.0;
        (normed, if open { dy } else { 0.0 })
    }
}
