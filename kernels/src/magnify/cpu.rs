//! Rows over threads.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn magnify(x: &mut [f32], d: usize, gain: f32) {
    let block = rows_per_task(x.len() / d, 256);
    x.par_chunks_mut(block * d).for_each(|x| {
        dispatch(
            #[inline(always)]
            || {
                let square = gain * gain;
                for row in x.chunks_exact_mut(d) {
                    let (magnitudes, squares) = row.split_at_mut(d / 2);
                    magnitudes.iter_mut().for_each(|v| *v *= gain);
                    squares.iter_mut().for_each(|v| *v *= square);
                }
            },
        );
    });
}
