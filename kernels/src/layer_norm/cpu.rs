//! Two sums a row, in sixteen lanes, then one pass that writes.

use rayon::prelude::*;

use crate::math::lane_sum;
use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    let d = weight.len();
    if x.is_empty() {
        return;
    }
    let block = rows_per_task(x.len() / d, 256) * d;
    y.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
                    row(x, weight, bias, eps, y);
                }
            },
        );
    });
}

/// Normalises one row.
#[inline(always)]
pub(crate) fn row(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    let n = x.len() as f32;
    let mean = lane_sum(x, |v| v) / n;
    let var = lane_sum(x, |v| (v - mean) * (v - mean)) / n;
    let scale = 1.0 / (var + eps).sqrt();
    for ((y, x), (w, b)) in y.iter_mut().zip(x).zip(weight.iter().zip(bias)) {
        *y = (x - mean) * scale * w + b;
    }
}
