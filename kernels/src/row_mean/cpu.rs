//! Rows over threads. Four partial sums keep the rounding small and the order fixed.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn row_mean(x: &[f32], d: usize, y: &mut [f32]) {
    let block = rows_per_task(y.len(), 256);
    y.par_chunks_mut(block).zip(x.par_chunks(block * d)).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || {
                for (y, row) in y.iter_mut().zip(x.chunks_exact(d)) {
                    let mut sums = [0.0_f32; 4];
                    let (fours, rest) = row.as_chunks::<4>();
                    fours.iter().for_each(|four| sums.iter_mut().zip(four).for_each(|(sum, v)| *sum += v));
                    sums.iter_mut().zip(rest).for_each(|(sum, v)| *sum += v);
                    *y = sums.iter().sum::<f32>() / d as f32;
                }
            },
        );
    });
}
