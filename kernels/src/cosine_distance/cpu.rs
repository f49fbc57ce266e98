//! Blocks of rows over threads, three sums a row.

use rayon::prelude::*;

use super::EPS;
use crate::simd::dispatch;
use crate::threads::rows_per_task;

/// Sums side by side.
const LANES: usize = 16;

pub(super) fn cosine_distance(a: &[f32], b: &[f32], c: usize, y: &mut [f32]) {
    let block = rows_per_task(y.len(), 256);
    let rows = a.par_chunks(block * c).zip(b.par_chunks(block * c));
    y.par_chunks_mut(block).zip(rows).for_each(|(y, (a, b))| {
        dispatch(
            #[inline(always)]
            || {
                for (y, (a, b)) in y.iter_mut().zip(a.chunks_exact(c).zip(b.chunks_exact(c))) {
                    let length = dot(a, a).sqrt() * dot(b, b).sqrt();
                    *y = 1.0 - dot(a, b) / length.max(EPS);
                }
            },
        );
    });
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_whole.iter().zip(b_whole) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
