//! Gradients of the causal convolution: the sum before SiLU is taken again, then each tap hands its share back.

use rayon::prelude::*;

use super::{OP, TAPS, check};
use crate::device::{BufferView, BufferViewMut};
use crate::error::Result;
use crate::math::sigmoid;
use crate::simd::dispatch;
use crate::threads::add_parts;

/// Gradients of all that a convolution reads, in the shapes of what they belong to.
pub struct Gradients<T> {
    /// Of x.
    pub x: T,
    /// Of the taps, (4, d).
    pub w: T,
    /// Of the bias.
    pub bias: T,
}

/// Writes the gradients, given that of y.
///
/// # Errors
/// As [`super::causal_conv`], and when a gradient has another size than what it belongs to.
pub fn causal_conv_backward<'a>(
    x: impl Into<BufferView<'a>>,
    len: usize,
    w: impl Into<BufferView<'a>>,
    bias: impl Into<BufferView<'a>>,
    dy: impl Into<BufferView<'a>>,
    gradients: Gradients<impl Into<BufferViewMut<'a>>>,
) -> Result<()> {
    let (x, w, bias, dy) =
        (x.into().host(OP)?, w.into().host(OP)?, bias.into().host(OP)?, dy.into().host(OP)?);
    let (dx, dw) = (gradients.x.into().host(OP)?, gradients.w.into().host(OP)?);
    let dbias = gradients.bias.into().host(OP)?;
    check(x, len, w, bias, dy)?;
    check(dx, len, dw, dbias, dy)?;
    let d = bias.len();
    if x.is_empty() {
        dw.fill(0.0);
        dbias.fill(0.0);
        return Ok(());
    }
    let sequences = x.len() / (len * d);
    // For each sequence, the gradients of the taps and of the bias.
    let mut parts = vec![0.0; sequences * (TAPS + 1) * d];
    parts
        .par_chunks_mut((TAPS + 1) * d)
        .zip(dx.par_chunks_mut(len * d))
        .zip(x.par_chunks(len * d).zip(dy.par_chunks(len * d)))
        .for_each(|((part, dx), (x, dy))| {
            dispatch(
                #[inline(always)]
                || one_sequence(x, w, bias, dy, dx, part),
            );
        });
    let mut sums = vec![0.0; (TAPS + 1) * d];
    add_parts(&parts, &mut sums);
    dw.copy_from_slice(&sums[..TAPS * d]);
    dbias.copy_from_slice(&sums[TAPS * d..]);
    Ok(())
}

#[inline(always)]
fn one_sequence(x: &[f32], w: &[f32], bias: &[f32], dy: &[f32], dx: &mut [f32], part: &mut [f32]) {
    let d = bias.len();
    let mut slope = vec![0.0_f32; d];
    dx.fill(0.0);
    let (dw, dbias) = part.split_at_mut(TAPS * d);
    for (row, dy) in dy.chunks_exact(d).enumerate() {
        slope.copy_from_slice(bias);
        let taps = 0..=row.min(TAPS - 1);
        for back in taps.clone() {
            let (x, w) = (&x[(row - back) * d..][..d], &w[(TAPS - 1 - back) * d..][..d]);
            slope.iter_mut().zip(x).zip(w).for_each(|((sum, x), w)| *sum += x * w);
        }
        // silu'(s) = sigmoid(s) (1 + s (1 - sigmoid(s)))
        for ((sum, dy), db) in slope.iter_mut().zip(dy).zip(dbias.iter_mut()) {
            let gate = sigmoid(*sum);
            *sum = dy * gate * (1.0 + *sum * (1.0 - gate));
            *db += *sum;
        }
        for back in taps {
            let (from, tap) = ((row - back) * d, (TAPS - 1 - back) * d);
            let (x, w) = (&x[from..][..d], &w[tap..][..d]);
            let (dx, dw) = (&mut dx[from..][..d], &mut dw[tap..][..d]);
            for ((slope, (x, w)), (dx, dw)) in slope.iter().zip(x.iter().zip(w)).zip(dx.iter_mut().zip(dw)) {
                *dx += slope * w;
                *dw += slope * x;
            }
        }
    }
}
