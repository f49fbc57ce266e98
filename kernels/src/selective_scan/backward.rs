//! Gradients of the scan. States and decays are computed again and kept, token by token; then the sequence is walked
//! backwards with the gradient of the state.

use rayon::prelude::*;

use super::{OP, Parameters, Tokens, check};
use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};
use crate::math::{exp, sigmoid, softplus};
use crate::simd::dispatch;
use crate::threads::add_parts;

/// Gradients of all that a scan reads, in the shapes of what they belong to.
pub struct Gradients<T> {
    /// Of u.
    pub u: T,
    /// Of the step before bias and softplus.
    pub delta: T,
    /// Of the rows that end in B and C; what stands before these gets zeros.
    pub bc: T,
    /// Of the gate; of the length of u also where there is none.
    pub z: T,
    /// Of A, not of its logarithm.
    pub a: T,
    /// Of D.
    pub skip: T,
    /// Of the bias of the step.
    pub bias: T,
}

impl<T> Gradients<T> {
    fn host<'a>(self) -> Result<Gradients<&'a mut [f32]>>
    where
        T: Into<BufferViewMut<'a>>,
    {
        let there = |of: T| of.into().host(OP);
        let (u, delta, bc, z) = (there(self.u)?, there(self.delta)?, there(self.bc)?, there(self.z)?);
        let (a, skip, bias) = (there(self.a)?, there(self.skip)?, there(self.bias)?);
        Ok(Gradients { u, delta, bc, z, a, skip, bias })
    }
}

/// Writes the gradients, given that of y.
///
/// # Errors
/// As [`super::selective_scan`], and when a gradient has another size than what it belongs to.
pub fn selective_scan_backward<'a>(
    tokens: Tokens<impl Into<BufferView<'a>>>,
    parameters: Parameters<impl Into<BufferView<'a>>>,
    len: usize,
    dy: impl Into<BufferView<'a>>,
    gradients: Gradients<impl Into<BufferViewMut<'a>>>,
) -> Result<()> {
    let (tokens, parameters, dy) = (tokens.host()?, parameters.host()?, dy.into().host(OP)?);
    let d = parameters.skip.len();
    let n = check(&tokens, &parameters, len, dy)?;
    let Gradients { u, delta, bc, z, a, skip, bias } = gradients.host()?;
    for (what, expected, found) in [
        ("gradient of u", dy.len(), u.len()),
        ("gradient of delta", dy.len(), delta.len()),
        ("gradient of z", dy.len(), z.len()),
        ("gradient of B and C", tokens.bc.len(), bc.len()),
        ("gradient of A", n * d, a.len()),
        ("gradient of D", d, skip.len()),
        ("gradient of the bias", d, bias.len()),
    ] {
        check_len(OP, what, expected, found)?;
    }
    if dy.is_empty() {
        [a, skip, bias].into_iter().for_each(|all| all.fill(0.0));
        return Ok(());
    }
    let (rows, sequence) = (dy.len() / d, len * d);
    let width = tokens.bc.len() / rows;
    // For each sequence, the gradients of A, D and the bias.
    let mut parts = vec![0.0; rows / len * (n + 2) * d];
    parts
        .par_chunks_mut((n + 2) * d)
        .zip(u.par_chunks_mut(sequence).zip(delta.par_chunks_mut(sequence)))
        .zip(bc.par_chunks_mut(len * width).zip(z.par_chunks_mut(sequence)))
        .enumerate()
        .for_each(|(i, ((part, (du, ddelta)), (dbc, dz)))| {
            let tokens = Tokens {
                u: &tokens.u[i * sequence..][..sequence],
                delta: &tokens.delta[i * sequence..][..sequence],
                bc: &tokens.bc[i * len * width..][..len * width],
                z: tokens.z.map(|z| &z[i * sequence..][..sequence]),
            };
            let dy = &dy[i * sequence..][..sequence];
            dispatch(
                #[inline(always)]
                || {
                    Sequence { tokens, parameters: &parameters, width, n, d }
                        .run(dy, Part { du, ddelta, dbc, dz, part })
                },
            );
        });
    let mut sums = vec![0.0; (n + 2) * d];
    add_parts(&parts, &mut sums);
    a.copy_from_slice(&sums[..n * d]);
    skip.copy_from_slice(&sums[n * d..][..d]);
    bias.copy_from_slice(&sums[(n + 1) * d..]);
    Ok(())
}

struct Sequence<'a> {
    tokens: Tokens<&'a [f32]>,
    parameters: &'a Parameters<&'a [f32]>,
    width: usize,
    n: usize,
    d: usize,
}

/// Where the gradients of one sequence go.
struct Part<'a> {
    du: &'a mut [f32],
    ddelta: &'a mut [f32],
    dbc: &'a mut [f32],
    dz: &'a mut [f32],
    part: &'a mut [f32],
}

impl Sequence<'_> {
    #[inline(always)]
    fn run(&self, dy: &[f32], to: Part<'_>) {
        let Self { tokens, parameters, width, n, d } = self;
        let (n, d, width) = (*n, *d, *width);
        let len = dy.len() / d;
        let (delta, decay, h) = self.forward();
        let (da, rest) = to.part.split_at_mut(n * d);
        let (dskip, dbias) = rest.split_at_mut(d);
        to.dbc.fill(0.0);
        let zeros = vec![0.0; n * d];
        // Gradient of the state, (n, d); gradient of y before the gate, and of the step, (d).
        let (mut dh, mut ungated, mut dstep) = (vec![0.0_f32; n * d], vec![0.0_f32; d], vec![0.0_f32; d]);
        for t in (0..len).rev() {
            let row = t * d..(t + 1) * d;
            let (u, delta) = (&tokens.u[row.clone()], &delta[row.clone()]);
            let h_now = &h[t * n * d..][..n * d];
            let h_before = if t > 0 { &h[(t - 1) * n * d..][..n * d] } else { &zeros[..] };
            let decay = &decay[t * n * d..][..n * d];
            let (b, c) = tokens.bc[(t + 1) * width - 2 * n..(t + 1) * width].split_at(n);
            let (db, dc) = to.dbc[(t + 1) * width - 2 * n..(t + 1) * width].split_at_mut(n);
            let du = &mut to.du[row.clone()];

            self.through_gate(u, h_now, c, row.clone(), dy, &mut ungated, &mut to.dz[row.clone()]);
            for ((du, ungated), (skip, (dskip, u))) in
                du.iter_mut().zip(&ungated).zip(parameters.skip.iter().zip(dskip.iter_mut().zip(u)))
            {
                *du = ungated * skip;
                *dskip += ungated * u;
            }
            dstep.fill(0.0);
            for i in 0..n {
                let part = i * d..(i + 1) * d;
                let (a, dh, da) = (&parameters.a[part.clone()], &mut dh[part.clone()], &mut da[part.clone()]);
                let (h_now, h_before, decay) =
                    (&h_now[part.clone()], &h_before[part.clone()], &decay[part.clone()]);
                let (mut to_b, mut to_c) = ([0.0_f32; LANES], [0.0_f32; LANES]);
                for first in (0..d).step_by(LANES) {
                    for lane in 0..LANES.min(d - first) {
                        let j = first + lane;
                        let g = dh[j] + ungated[j] * c[i];
                        to_c[lane] += ungated[j] * h_now[j];
                        let kept = decay[j] * h_before[j] * g;
                        da[j] += kept * delta[j];
                        dstep[j] += kept * a[j] + g * b[i] * u[j];
                        to_b[lane] += g * delta[j] * u[j];
                        du[j] += g * delta[j] * b[i];
                        dh[j] = g * decay[j];
                    }
                }
                db[i] = to_b.iter().sum();
                dc[i] = to_c.iter().sum();
            }
            let steps = tokens.delta[row.clone()].iter().zip(parameters.bias);
            for ((to, dstep), ((step, bias), dbias)) in
                to.ddelta[row].iter_mut().zip(&dstep).zip(steps.zip(dbias.iter_mut()))
            {
                *to = dstep * sigmoid(step + bias);
                *dbias += *to;
            }
        }
    }

    /// Steps (len, d), decays and states (len, n, d).
    #[inline(always)]
    fn forward(&self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let Self { tokens, parameters, width, n, d } = self;
        let (n, d) = (*n, *d);
        let len = tokens.u.len() / d;
        let mut delta = vec![0.0; len * d];
        let (mut decay, mut h) = (vec![0.0; len * n * d], vec![0.0; len * n * d]);
        for t in 0..len {
            let delta = &mut delta[t * d..][..d];
            let (steps, u) = (&tokens.delta[t * d..][..d], &tokens.u[t * d..][..d]);
            for ((delta, step), bias) in delta.iter_mut().zip(steps).zip(parameters.bias) {
                *delta = softplus(step + bias);
            }
            let b = &tokens.bc[(t + 1) * width - 2 * n..][..n];
            for (i, b) in b.iter().enumerate() {
                let at = (t * n + i) * d;
                let (before, now) = h.split_at_mut(at);
                let before = if t > 0 { &before[at - n * d..][..d] } else { &[] };
                let (now, decay, a) = (&mut now[..d], &mut decay[at..][..d], &parameters.a[i * d..][..d]);
                for j in 0..d {
                    decay[j] = exp(delta[j] * a[j]);
                    now[j] = delta[j] * b * u[j];
                }
                now.iter_mut()
                    .zip(before)
                    .zip(decay)
                    .for_each(|((now, before), decay)| *now += *decay * before);
            }
        }
        (delta, decay, h)
    }

    /// From the gradient of the gated y to that of the ungated, and of the gate.
    #[inline(always)]
    fn through_gate(
        &self,
        u: &[f32],
        h: &[f32],
        c: &[f32],
        row: std::ops::Range<usize>,
        dy: &[f32],
        ungated: &mut [f32],
        dz: &mut [f32],
    ) {
        let dy = &dy[row.clone()];
        let Some(z) = self.tokens.z.map(|z| &z[row]) else {
            ungated.copy_from_slice(dy);
            dz.fill(0.0);
            return;
        };
        // y before the gate, in the place of its gradient.
        ungated.iter_mut().zip(self.parameters.skip).zip(u).for_each(|((y, skip), u)| *y = skip * u);
        for (h, c) in h.chunks_exact(self.d).zip(c) {
            ungated.iter_mut().zip(h).for_each(|(y, h)| *y += c * h);
        }
        for ((y, dz), (z, dy)) in ungated.iter_mut().zip(dz).zip(z.iter().zip(dy)) {
            let gate = sigmoid(*z);
            *dz = dy * *y * gate * (1.0 + z * (1.0 - gate));
            *y = dy * z * gate;
        }
    }
}

/// Partial sums over channels.
const LANES: usize = 16;
