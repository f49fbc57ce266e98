//! Blocks over threads.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn rate(raw: &[f32], reference: f32, y: &mut [f32]) {
    let scale = 1.0 / reference;
    let block = rows_per_task(y.len(), 1 << 14);
    y.par_chunks_mut(block).zip(raw.par_chunks(block)).for_each(|(y, raw)| {
        dispatch(
            #[inline(always)]
            || {
                for (y, raw) in y.iter_mut().zip(raw) {
                    let x = raw * scale;
                    *y = 1.0 - 1.0 / (1.0 + x * x);
                }
            },
        );
    });
}
