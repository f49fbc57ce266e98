//! Blocks over threads.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn weigh(probabilities: &[f32], scores: &[f32], level: f32, y: &mut [f32]) {
    let share = 1.0 / level;
    let block = rows_per_task(y.len(), 1 << 14);
    let inputs = probabilities.par_chunks(block).zip(scores.par_chunks(block));
    y.par_chunks_mut(block).zip(inputs).for_each(|(y, (p, r))| {
        dispatch(
            #[inline(always)]
            || {
                for ((y, p), r) in y.iter_mut().zip(p).zip(r) {
                    *y = p * (r * share).sqrt();
                }
            },
        );
    });
}
