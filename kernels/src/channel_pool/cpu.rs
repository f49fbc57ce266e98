//! Rows over threads. An output reads three or four neighbouring channels; those of the two groups never mix when
//! their number is even, and the rare one that straddles is served by the same loop.

use rayon::prelude::*;

use super::ChannelPool;
use crate::threads::rows_per_task;

pub(super) fn channel_pool(pool: &ChannelPool, a: &[f32], b: &[f32], y: &mut [f32]) {
    let (d, out) = (pool.d, pool.out());
    if a.is_empty() || out == 0 {
        return;
    }
    let block = rows_per_task(a.len() / d, 128);
    y.par_chunks_mut(block * out).zip(a.par_chunks(block * d).zip(b.par_chunks(block * d))).for_each(
        |(y, (a, b))| {
            for (y, (a, b)) in y.chunks_exact_mut(out).zip(a.chunks_exact(d).zip(b.chunks_exact(d))) {
                for (y, (first, weights)) in y.iter_mut().zip(&pool.taps) {
                    let weights = &pool.weights[weights.clone()];
                    let from_a = &a[(*first).min(d)..(first + weights.len()).min(d)];
                    let from_b = &b[first.saturating_sub(d)..(first + weights.len()).saturating_sub(d)];
                    let inputs = from_a.iter().chain(from_b);
                    *y = inputs.zip(weights).map(|(x, w)| x * w).sum();
                }
            }
        },
    );
}
