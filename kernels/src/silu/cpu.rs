//! Blocks over threads, vectors within a block.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::selective_scan::functions;
use crate::simd::with_simd;
use crate::threads::rows_per_task;

/// Elements that are worth a task.
const BLOCK: usize = 8_192;

pub(super) fn silu(y: &mut [f32]) {
    y.par_chunks_mut(rows_per_task(y.len(), BLOCK)).for_each(block);
}

/// The units of a block, on the thread of the caller.
pub(crate) fn block(y: &mut [f32]) {
    with_simd(Silu(y));
}

pub(super) fn gate(z: &[f32], y: &mut [f32]) {
    let block = rows_per_task(y.len(), BLOCK);
    y.par_chunks_mut(block).zip(z.par_chunks(block)).for_each(|(y, z)| with_simd(Gate { z, y }));
}

struct Silu<'a>(&'a mut [f32]);

impl WithSimd for Silu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (whole, rest) = S::as_mut_simd_f32s(self.0);
        whole.iter_mut().for_each(|y| *y = functions::silu(simd, *y));
        let y = functions::silu(simd, simd.partial_load_f32s(rest));
        simd.partial_store_f32s(rest, y);
    }
}

struct Gate<'a> {
    z: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((whole, rest), (z, z_rest)) = (S::as_mut_simd_f32s(self.y), S::as_simd_f32s(self.z));
        whole.iter_mut().zip(z).for_each(|(y, z)| *y = simd.mul_f32s(*y, functions::silu(simd, *z)));
        let unit = functions::silu(simd, simd.partial_load_f32s(z_rest));
        let y = simd.mul_f32s(simd.partial_load_f32s(rest), unit);
        simd.partial_store_f32s(rest, y);
    }
}
