//! Rows over threads.

use rayon::prelude::*;

use crate::math::{exp, lane_sum};
use crate::simd::dispatch;

/// Rows of a task.
const ROWS: usize = 64;

pub(super) fn softmax(x: &[f32], n: usize, y: &mut [f32]) {
    if x.is_empty() {
        return;
    }
    y.par_chunks_mut(ROWS * n).zip(x.par_chunks(ROWS * n)).for_each(|(y, x)| {
        dispatch(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
                    let max = x.iter().fold(f32::NEG_INFINITY, |max, x| if *x > max { *x } else { max });
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = exp(x - max);
                    }
                    let scale = 1.0 / lane_sum(y, |v| v);
                    y.iter_mut().for_each(|y| *y *= scale);
                }
            },
        );
    });
}

pub(super) fn softmax_gradient(y: &[f32], g: &[f32], n: usize, dx: &mut [f32]) {
    if y.is_empty() {
        return;
    }
    dx.par_chunks_mut(ROWS * n).zip(y.par_chunks(ROWS * n).zip(g.par_chunks(ROWS * n))).for_each(
        |(dx, (y, g))| {
            dispatch(
                #[inline(always)]
                || {
                    let rows = y.chunks_exact(n).zip(g.chunks_exact(n));
                    for (dx, (y, g)) in dx.chunks_exact_mut(n).zip(rows) {
                        for (dx, (y, g)) in dx.iter_mut().zip(y.iter().zip(g)) {
                            *dx = y * g;
                        }
                        let sum = lane_sum(dx, |v| v);
                        for (dx, y) in dx.iter_mut().zip(y) {
                            *dx -= y * sum;
                        }
                    }
                },
            );
        },
    );
}
