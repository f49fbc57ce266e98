//! Element by element, in blocks over threads.

use rayon::prelude::*;

use crate::math;
use crate::simd::{dispatch, isa};

/// Elements of a task.
const BLOCK: usize = 1 << 14;

pub(super) fn gelu(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        math::gelu_all(isa(), y);
    });
}

pub(super) fn gelu_gradient(x: &[f32], g: &[f32], dx: &mut [f32]) {
    dx.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK).zip(g.par_chunks(BLOCK))).for_each(|(dx, (x, g))| {
        dispatch(
            #[inline(always)]
            || {
                for (dx, (x, g)) in dx.iter_mut().zip(x.iter().zip(g)) {
                    *dx = derivative(*x) * g;
                }
            },
        );
    });
}

#[inline(always)]
fn derivative(x: f32) -> f32 {
    const DENSITY_AT_0: f32 = 0.398_942_3;
    let below = 0.5 * (1.0 + math::spread(x));
    below + x * DENSITY_AT_0 * math::exp(-0.5 * x * x)
}
