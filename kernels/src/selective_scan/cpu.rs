//! Sequences over threads; within one, a token's channels are vector lanes, and A and the states of a vector of channels
//! lie together, so that the innermost loop runs over states alone.

use std::f32::consts::LOG2_E;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::functions::{exp2, silu, softplus};
use super::{Parameters, Tokens};
use crate::aligned::Aligned;
use crate::simd::{mul_add, with_simd};
use crate::tile::MAX_COLS;

/// For each sequence, A log2(e) and then the states, both by vector of channels and then state.
#[derive(Debug, Default)]
pub struct Workspace {
    sequences: Vec<Aligned>,
}

pub(super) fn selective_scan(
    tokens: &Tokens<&[f32]>,
    parameters: &Parameters<&[f32]>,
    len: usize,
    workspace: &mut Workspace,
    states: &mut [f32],
    y: &mut [f32],
) {
    if y.is_empty() {
        return;
    }
    let d = parameters.skip.len();
    let width = tokens.bc.len() / (y.len() / d);
    let sequences = (y.len() / d / len).max(workspace.sequences.len());
    workspace.sequences.resize_with(sequences, Aligned::default);
    y.par_chunks_mut(len * d)
        .zip(states.par_chunks_mut(parameters.a.len()))
        .zip(&mut workspace.sequences)
        .enumerate()
        .for_each(|(i, ((y, state), packed))| {
            let tokens = Tokens {
                u: part(tokens.u, i, len * d),
                delta: part(tokens.delta, i, len * d),
                bc: part(tokens.bc, i, len * width),
                z: tokens.z.map(|z| part(z, i, len * d)),
            };
            packed.resize(2 * state.len() / d * d.next_multiple_of(MAX_COLS / 2));
            with_simd(Scan { tokens, parameters, width, packed, state, y });
        });
}

/// Part `i` of parts of `len` elements.
fn part(x: &[f32], i: usize, len: usize) -> &[f32] {
    &x[i * len..][..len]
}

/// The scan of one sequence.
struct Scan<'a> {
    tokens: Tokens<&'a [f32]>,
    parameters: &'a Parameters<&'a [f32]>,
    width: usize,
    packed: &'a mut [f32],
    state: &'a mut [f32],
    y: &'a mut [f32],
}

impl WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tokens, parameters, width, packed, state, y } = self;
        let (d, lanes) = (parameters.skip.len(), S::F32_LANES);
        let n = state.len() / d;
        let (a, h) = packed.split_at_mut(packed.len() / 2);
        a.fill(0.0);
        h.fill(0.0);
        let place = |i: usize, channel: usize| (channel / lanes * n + i) * lanes + channel % lanes;
        for (i, row) in parameters.a.chunks_exact(d).enumerate() {
            row.iter().enumerate().for_each(|(channel, v)| a[place(i, channel)] = v * LOG2_E);
        }
        for (t, y) in y.chunks_exact_mut(d).enumerate() {
            let row = |x| part(x, t, d);
            let token = Tokens {
                u: row(tokens.u),
                delta: row(tokens.delta),
                bc: &part(tokens.bc, t, width)[width - 2 * n..],
                z: tokens.z.map(row),
            };
            let a = S::as_simd_f32s(a).0.chunks_exact(n);
            let h = S::as_mut_simd_f32s(h).0.chunks_exact_mut(n);
            for (first, (a, h)) in (0..d).step_by(lanes).zip(a.zip(h)) {
                if first + lanes <= d {
                    advance::<S, true>(simd, &token, parameters, first, a, h, y);
                } else {
                    advance::<S, false>(simd, &token, parameters, first, a, h, y);
                }
            }
        }
        for (i, row) in state.chunks_exact_mut(d).enumerate() {
            row.iter_mut().enumerate().for_each(|(channel, v)| *v = h[place(i, channel)]);
        }
    }
}

/// One token and one vector of channels, from `first` on: a whole one or what is left.
#[inline(always)]
fn advance<S: Simd, const WHOLE: bool>(
    simd: S,
    token: &Tokens<&[f32]>,
    parameters: &Parameters<&[f32]>,
    first: usize,
    a: &[S::f32s],
    h: &mut [S::f32s],
    y: &mut [f32],
) {
    let u = load::<S, WHOLE>(simd, token.u, first);
    let step = load::<S, WHOLE>(simd, token.delta, first);
    let delta = softplus(simd, simd.add_f32s(step, load::<S, WHOLE>(simd, parameters.bias, first)));
    let drive = simd.mul_f32s(delta, u);
    let mut out = simd.mul_f32s(load::<S, WHOLE>(simd, parameters.skip, first), u);
    let (b, c) = token.bc.split_at(a.len());
    for ((a, h), (b, c)) in a.iter().zip(h).zip(b.iter().zip(c)) {
        let decay = exp2(simd, simd.mul_f32s(delta, *a));
        *h = mul_add(simd, decay, *h, simd.mul_f32s(drive, simd.splat_f32s(*b)));
        out = mul_add(simd, *h, simd.splat_f32s(*c), out);
    }
    if let Some(z) = token.z {
        out = simd.mul_f32s(out, silu(simd, load::<S, WHOLE>(simd, z, first)));
    }
    let y = &mut y[first..];
    if WHOLE {
        S::as_mut_simd_f32s(y).0[0] = out;
    } else {
        simd.partial_store_f32s(y, out);
    }
}

/// The elements from `first` on: a whole vector or what is left.
#[inline(always)]
fn load<S: Simd, const WHOLE: bool>(simd: S, x: &[f32], first: usize) -> S::f32s {
    let x = &x[first..];
    if WHOLE { S::as_simd_f32s(x).0[0] } else { simd.partial_load_f32s(x) }
}
