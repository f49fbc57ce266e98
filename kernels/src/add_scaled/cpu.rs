//! Blocks over threads.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn add_scaled(x: &[f32], a: f32, y: &mut [f32]) {
    let block = rows_per_task(y.len(), 1 << 16);
    y.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, x)| *y += x * a),
        );
    });
}
