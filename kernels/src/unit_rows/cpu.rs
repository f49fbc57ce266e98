//! Rows over threads, each square summed in order, in f64.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn unit_rows(x: &mut [f32], d: usize) {
    let block = rows_per_task(x.len() / d, 256);
    x.par_chunks_mut(block * d).for_each(|x| {
        dispatch(
            #[inline(always)]
            || {
                for row in x.chunks_exact_mut(d) {
                    let square: f64 = row.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
                    if square > 0.0 {
                        let scale = (d as f64 / square).sqrt() as f32;
                        row.iter_mut().for_each(|v| *v *= scale);
                    }
                }
            },
        );
    });
}
