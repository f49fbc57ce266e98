//! Rows over threads.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn residual(r: &[f32], d: usize, y: &mut [f32]) {
    if r.is_empty() {
        return;
    }
    let block = rows_per_task(r.len() / d, 256) * d;
    y.par_chunks_mut(block).zip(r.par_chunks(block)).for_each(|(y, r)| {
        dispatch(
            #[inline(always)]
            || {
                for (r, y) in r.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
                    let (magnitudes, squares) = y.split_at_mut(d / 2);
                    for ((pair, m), s) in r.as_chunks::<2>().0.iter().zip(magnitudes).zip(squares) {
                        *m = (pair[0].abs() + pair[1].abs()) * 0.5;
                        *s = (pair[0] * pair[0] + pair[1] * pair[1]) * 0.5;
                    }
                }
            },
        );
    });
}
