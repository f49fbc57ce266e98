//! Rows of y over threads.

use rayon::prelude::*;

use super::KEEP;
use crate::threads::rows_per_task;

pub(super) fn gather(x: &[f32], d: usize, from: &[u32], y: &mut [f32]) {
    if y.is_empty() {
        return;
    }
    let block = rows_per_task(from.len(), 1024);
    y.par_chunks_mut(block * d).zip(from.par_chunks(block)).for_each(|(y, from)| {
        for (y, place) in y.chunks_exact_mut(d).zip(from) {
            if *place != KEEP {
                y.copy_from_slice(&x[*place as usize * d..][..d]);
            }
        }
    });
}
