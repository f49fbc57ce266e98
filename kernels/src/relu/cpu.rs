//! Blocks over threads.

use rayon::prelude::*;

use crate::simd::dispatch;
use crate::threads::rows_per_task;

/// Elements that are worth a task.
const BLOCK: usize = 16_384;

pub(super) fn relu(y: &mut [f32]) {
    y.par_chunks_mut(rows_per_task(y.len(), BLOCK)).for_each(|y| {
        dispatch(
            #[inline(always)]
            || y.iter_mut().for_each(|y| *y = y.max(0.0)),
        );
    });
}

pub(super) fn add_relu(x: &[f32], y: &mut [f32]) {
    let block = rows_per_task(y.len(), BLOCK);
    y.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, x)| *y = (*y + x).max(0.0)),
        );
    });
}
