//! Rows over threads.

use rayon::prelude::*;

use super::Place;
use crate::threads::rows_per_task;

pub(super) fn columns(x: &[f32], c: usize, scale: f32, place: Place, y: &mut [f32]) {
    let Place { width, first } = place;
    let block = rows_per_task(x.len() / c, 256);
    y.par_chunks_mut(block * width).zip(x.par_chunks(block * c)).for_each(|(y, x)| {
        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(c)) {
            y[first..first + c].iter_mut().zip(x).for_each(|(y, x)| *y = scale * x);
        }
    });
}
