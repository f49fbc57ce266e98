//! Rows over threads, each summed in sixteen lanes.

use rayon::prelude::*;

use crate::math::{lane_sum, sigmoid};
use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn mean_sigmoid(x: &[f32], c: usize, y: &mut [f32]) {
    if y.is_empty() {
        return;
    }
    let block = rows_per_task(y.len(), 1024);
    y.par_chunks_mut(block).zip(x.par_chunks(block * c)).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || {
                let share = 1.0 / c as f32;
                for (y, x) in y.iter_mut().zip(x.chunks_exact(c)) {
                    *y = lane_sum(x, sigmoid) * share;
                }
            },
        );
    });
}
