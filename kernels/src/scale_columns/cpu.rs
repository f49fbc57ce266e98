//! Rows over threads.

use rayon::prelude::*;

use crate::threads::rows_per_task;

pub(super) fn scale_columns(x: &mut [f32], factors: &[f32]) {
    let d = factors.len();
    let block = rows_per_task(x.len() / d, 256);
    x.par_chunks_mut(block * d).for_each(|x| {
        for row in x.chunks_exact_mut(d) {
            row.iter_mut().zip(factors).for_each(|(x, factor)| *x *= factor);
        }
    });
}
