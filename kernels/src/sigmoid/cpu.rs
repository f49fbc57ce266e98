//! Blocks over threads, by the exponential of the C library.

use rayon::prelude::*;

use crate::threads::rows_per_task;

pub(super) fn sigmoid(x: &mut [f32]) {
    let block = rows_per_task(x.len(), 4096);
    x.par_chunks_mut(block).for_each(|x| x.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())));
}
