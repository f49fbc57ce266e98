//! Gradients of the two norms of rows, with respect to the rows and to weight and bias.

use rayon::prelude::*;

use super::Norm;
use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};
use crate::math::lane_sum;
use crate::simd::dispatch;
use crate::threads::add_parts;

/// Rows of a task: a fixed number, so that the sums of weight and bias do not hang on the number of threads.
const BLOCK: usize = 128;

/// Writes the gradients of u (du), of the weight and, for a layer norm, of the bias, given that of y = norm(u).
///
/// # Errors
/// When a length does not fit the width of the norm, or an operand lives on a device.
pub fn norm_backward<'a>(
    u: impl Into<BufferView<'a>>,
    norm: Norm<impl Into<BufferView<'a>>>,
    eps: f32,
    dy: impl Into<BufferView<'a>>,
    du: impl Into<BufferViewMut<'a>>,
    dweight: impl Into<BufferViewMut<'a>>,
    dbias: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    const OP: &str = "norm_backward";
    let (u, norm, dy, du) = (u.into().host(OP)?, norm.host(OP)?, dy.into().host(OP)?, du.into().host(OP)?);
    let (dweight, dbias) = (dweight.into().host(OP)?, dbias.into().host(OP)?);
    let (weight, layer) = match norm {
        Norm::Rms { weight } => (weight, false),
        Norm::Layer { weight, .. } => (weight, true),
    };
    let d = weight.len();
    check_len(OP, "u", u.len() / d.max(1) * d, u.len())?;
    check_len(OP, "dy", u.len(), dy.len())?;
    check_len(OP, "du", u.len(), du.len())?;
    check_len(OP, "gradient of the weight", d, dweight.len())?;
    check_len(OP, "gradient of the bias", if layer { d } else { 0 }, dbias.len())?;
    if u.is_empty() {
        dweight.fill(0.0);
        dbias.fill(0.0);
        return Ok(());
    }
    // For each block of rows, the gradients of weight and bias.
    let mut parts = vec![0.0; (u.len() / d).div_ceil(BLOCK) * 2 * d];
    parts
        .par_chunks_mut(2 * d)
        .zip(du.par_chunks_mut(BLOCK * d))
        .zip(u.par_chunks(BLOCK * d).zip(dy.par_chunks(BLOCK * d)))
        .for_each(|((part, du), (u, dy))| {
            let (dweight, dbias) = part.split_at_mut(d);
            dispatch(
                #[inline(always)]
                || {
                    if layer {
                        rows::<true>(u, weight, eps, dy, du, dweight, dbias);
                    } else {
                        rows::<false>(u, weight, eps, dy, du, dweight, dbias);
                    }
                },
            );
        });
    let mut sums = vec![0.0; 2 * d];
    add_parts(&parts, &mut sums);
    dweight.copy_from_slice(&sums[..d]);
    dbias.copy_from_slice(&sums[d..][..dbias.len()]);
    Ok(())
}

/// For each row, with n = (u - mean) / deviation and g = dy w: du = (g - mean(g) - n mean(g n)) / deviation, dw += dy n,
/// db += dy. An RMS norm takes no mean off.
#[inline(always)]
fn rows<const LAYER: bool>(
    u: &[f32],
    weight: &[f32],
    eps: f32,
    dy: &[f32],
    du: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let d = weight.len();
    let share = 1.0 / d as f32;
    for (du, (u, dy)) in du.chunks_exact_mut(d).zip(u.chunks_exact(d).zip(dy.chunks_exact(d))) {
        let mean = if LAYER { lane_sum(u, |v| v) * share } else { 0.0 };
        let scale = 1.0 / (lane_sum(u, |v| (v - mean) * (v - mean)) * share + eps).sqrt();
        for (((du, u), dy), (dw, db)) in
            du.iter_mut().zip(u).zip(dy).zip(dweight.iter_mut().zip(dbias.iter_mut()))
        {
            let n = (u - mean) * scale;
            *dw += dy * n;
            *db += dy;
            *du = dy * n;
        }
        // g n, but for the weight.
        du.iter_mut().zip(weight).for_each(|(du, w)| *du *= w);
        let slope = lane_sum(du, |v| v) * share;
        for (du, (dy, w)) in du.iter_mut().zip(dy.iter().zip(weight)) {
            *du = dy * w;
        }
        let level = if LAYER { lane_sum(du, |v| v) * share } else { 0.0 };
        du.iter_mut().zip(u).for_each(|(du, u)| *du = (*du - level - (u - mean) * scale * slope) * scale);
    }
}
