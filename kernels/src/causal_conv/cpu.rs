//! Rows over threads; each row is the sum of up to four rows of x, channel by channel.

use rayon::prelude::*;

use super::TAPS;
use crate::math::exp;
use crate::simd::dispatch;
use crate::threads::rows_per_task;

pub(super) fn causal_conv(x: &[f32], len: usize, w: &[f32], bias: &[f32], y: &mut [f32]) {
    let d = bias.len();
    if x.is_empty() {
        return;
    }
    let block = rows_per_task(x.len() / d, 256);
    y.par_chunks_mut(block * d).enumerate().for_each(|(b, y)| {
        dispatch(
            #[inline(always)]
            || {
                for (i, y) in y.chunks_exact_mut(d).enumerate() {
                    let row = b * block + i;
                    filter(x, row, row % len, w, bias, y);
                }
            },
        );
    });
}

/// The output of one row, which has `before` rows of its own sequence before it.
#[inline(always)]
fn filter(x: &[f32], row: usize, before: usize, w: &[f32], bias: &[f32], y: &mut [f32]) {
    let d = y.len();
    y.copy_from_slice(bias);
    for back in (0..=before.min(TAPS - 1)).rev() {
        let (x, w) = (&x[(row - back) * d..][..d], &w[(TAPS - 1 - back) * d..][..d]);
        for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
            *y += x * w;
        }
    }
    for y in y {
        *y /= 1.0 + exp(-*y);
    }
}
