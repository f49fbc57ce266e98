//! Rows over threads, each summed in sixteen lanes.

use rayon::prelude::*;

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
                    *y = dot(x, w) + bias;
                }
            },
        );
    });
}

#[inline(always)]
fn dot(x: &[f32], w: &[f32]) -> f32 {
    let ((x, x_rest), (w, w_rest)) = (x.as_chunks::<16>(), w.as_chunks::<16>());
    let mut lanes = [0.0_f32; 16];
    for (x, w) in x.iter().zip(w) {
        for ((lane, x), w) in lanes.iter_mut().zip(x).zip(w) {
            *lane += x * w;
        }
    }
    for ((lane, x), w) in lanes.iter_mut().zip(x_rest).zip(w_rest) {
        *lane += x * w;
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
    }
    lanes[0]
}
