//! Rows over threads, each summed in sixteen lanes.

use rayon::prelude::*;

use crate::math::pair_sum;
use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn row_dot(x: &[f32], w: &[f32], bias: f32, y: &mut [f32]) {
    if x.is_empty() {
        y.fill(bias);
        return;
    }
    let block = rows_per_task(y.len(), 256);
    y.par_chunks_mut(block).zip(x.par_chunks(block * w.len())).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || {
                for (y, x) in y.iter_mut().zip(x.chunks_exact(w.len())) {
                    *y = pair_sum(x, w, |x, w| x * w) + bias;
                }
            },
        );
    });
}
