//! Blocks of channels over threads, each through all directions with its own results beside it, which are put side by side
//! at the end. Within a block, channels are vector lanes.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{Directions, LANES, Sweep};
use crate::selective_scan::functions::{exp2, softplus};
use crate::simd::{mul_add, with_simd};

/// Vectors of a block at the narrowest level.
const VECTORS: usize = 4;

/// Results and states of the blocks.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// (blocks, cells, lanes)
    sums: Vec<f32>,
    /// (blocks, states, lanes)
    states: Vec<f32>,
}

pub(super) fn cross_scan(
    u: &[f32],
    rows: &[f32],
    directions: &Directions,
    sweeps: &[Sweep],
    w: &mut Workspace,
    y: &mut [f32],
) {
    let (d, n) = (directions.channels(), directions.states());
    let (cells, blocks) = (u.len() / d, d.div_ceil(LANES));
    w.sums.resize(blocks * cells * LANES, 0.0);
    w.states.resize(blocks * n * LANES, 0.0);
    let parts = w.sums.par_chunks_mut(cells * LANES).zip(w.states.par_chunks_mut(n * LANES));
    parts.enumerate().for_each(|(block, (sums, state))| {
        sums.fill(0.0);
        for sweep in sweeps {
            for direction in 0..directions.count() {
                let order = &sweep.orders[direction * cells..][..cells];
                with_simd(Scan { u, rows, directions, block, direction, order, len: sweep.len, sums, state });
            }
        }
    });
    let (sums, scale) = (&w.sums, 1.0 / sweeps.len() as f32);
    y.par_chunks_mut(d).enumerate().for_each(|(cell, y)| {
        for (block, y) in y.chunks_mut(LANES).enumerate() {
            let sums = &sums[(block * cells + cell) * LANES..];
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = scale * sum);
        }
    });
}

/// The scan of one block of channels in one direction.
struct Scan<'a> {
    u: &'a [f32],
    rows: &'a [f32],
    directions: &'a Directions,
    block: usize,
    direction: usize,
    order: &'a [u32],
    len: usize,
    sums: &'a mut [f32],
    state: &'a mut [f32],
}

impl WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { u, rows, directions, block, direction, order, len, sums, state } = self;
        let (d, n, rank) = (directions.channels(), directions.states(), directions.rank());
        let (width, own) = (directions.width(), directions.own_width());
        let (a, rest) = directions.block(block, direction).split_at(n * LANES);
        let (step, last) = rest.split_at(rank * LANES);
        let (bias, skip) = last.split_at(LANES);
        let learned = Learned {
            a: S::as_simd_f32s(a).0,
            step: S::as_simd_f32s(step).0,
            bias: S::as_simd_f32s(bias).0,
            skip: S::as_simd_f32s(skip).0,
        };
        let state = S::as_mut_simd_f32s(state).0;
        let first = block * LANES;
        let lanes = LANES.min(d - first);
        let mut narrow = [0.0; LANES];
        for (place, cell) in order.iter().enumerate() {
            if place % len == 0 {
                state.fill(simd.splat_f32s(0.0));
            }
            let cell = *cell as usize;
            let mut values = &u[cell * d + first..][..lanes];
            if lanes < LANES {
                narrow[..lanes].copy_from_slice(values);
                values = &narrow;
            }
            let row = &rows[cell * width + direction * own..][..own];
            let out = S::as_mut_simd_f32s(&mut sums[cell * LANES..][..LANES]).0;
            advance::<S>(simd, &learned, row, S::as_simd_f32s(values).0, state, out);
        }
    }
}

/// What one direction has learned for a block, a row of vectors for each state, rank and so on.
struct Learned<'a, V> {
    a: &'a [V],
    step: &'a [V],
    bias: &'a [V],
    skip: &'a [V],
}

/// One cell: its step, its state, and what is added to its sums.
#[inline(always)]
fn advance<S: Simd>(
    simd: S,
    learned: &Learned<'_, S::f32s>,
    row: &[f32],
    u: &[S::f32s],
    state: &mut [S::f32s],
    sums: &mut [S::f32s],
) {
    let vectors = LANES / S::F32_LANES;
    let (dt, matrices) = row.split_at(learned.step.len() / vectors);
    let (b, c) = matrices.split_at(matrices.len() / 2);
    let zero = simd.splat_f32s(0.0);
    let [mut delta, mut drive, mut out] = [[zero; VECTORS]; 3];
    delta[..vectors].copy_from_slice(&learned.bias[..vectors]);
    for (dt, step) in dt.iter().zip(learned.step.chunks_exact(vectors)) {
        let dt = simd.splat_f32s(*dt);
        for (delta, step) in delta.iter_mut().zip(step) {
            *delta = mul_add(simd, *step, dt, *delta);
        }
    }
    for v in 0..vectors {
        delta[v] = softplus(simd, delta[v]);
        drive[v] = simd.mul_f32s(delta[v], u[v]);
        out[v] = mul_add(simd, learned.skip[v], u[v], sums[v]);
    }
    let states = learned.a.chunks_exact(vectors).zip(state.chunks_exact_mut(vectors));
    for ((a, h), (b, c)) in states.zip(b.iter().zip(c)) {
        let (b, c) = (simd.splat_f32s(*b), simd.splat_f32s(*c));
        for v in 0..vectors {
            let decay = exp2(simd, simd.mul_f32s(delta[v], a[v]));
            h[v] = mul_add(simd, decay, h[v], simd.mul_f32s(drive[v], b));
            out[v] = mul_add(simd, h[v], c, out[v]);
        }
    }
    sums.copy_from_slice(&out[..vectors]);
}
