//! Tokens over threads.

use rayon::prelude::*;

use crate::nearest::NONE;
use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn matched_residual(x: &[f32], d: usize, rows: &[f32], matches: &[u32], k: usize, r: &mut [f32]) {
    if r.is_empty() {
        return;
    }
    let block = rows_per_task(r.len() / d, 256);
    let parts = r.par_chunks_mut(block * d).zip(x.par_chunks(block * d)).zip(matches.par_chunks(block * k));
    parts.for_each(|((r, x), matches)| {
        dispatch(
            #[inline(always)]
            || {
                let tokens = r.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(matches.chunks_exact(k));
                for ((r, x), matches) in tokens {
                    mean_minus(r, x, matches, rows);
                }
            },
        );
    });
}

#[inline(always)]
fn mean_minus(r: &mut [f32], x: &[f32], matches: &[u32], rows: &[f32]) {
    let d = x.len();
    let found = matches.iter().filter(|place| **place != NONE).count().max(1);
    r.fill(0.0);
    for place in matches.iter().filter(|place| **place != NONE) {
        let row = &rows[*place as usize * d..][..d];
        r.iter_mut().zip(row).for_each(|(r, value)| *r += value);
    }
    let share = 1.0 / found as f32;
    r.iter_mut().zip(x).for_each(|(r, x)| *r = *r * share - x);
}
