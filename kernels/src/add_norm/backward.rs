//! Gradients of the two norms of rows, with respect to the rows and to weight and bias.

use rayon::prelude::*;

use super::Norm;
use crate::error::{Result, check_len};
use crate::math::lane_sum;
use crate::simd::dispatch;
use crate::threads::add_parts;

/// Rows whose gradients of weight and bias are summed by one task.
const BLOCK: usize = 512;

/// Writes the gradients of u (du), of the weight and, for a layer norm, of the bias, given that of y = norm(u).
///
/// # Errors
/// When a length does not fit the width of the norm.
pub fn norm_backward(
    u: &[f32],
    norm: &Norm<'_>,
    eps: f32,
    dy: &[f32],
    du: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) -> Result<()> {
    const OP: &str = "norm_backward";
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
                    let mut normed = vec![0.0; d];
                    for ((u, dy), du) in u.chunks_exact(d).zip(dy.chunks_exact(d)).zip(du.chunks_exact_mut(d))
                    {
                        row(u, weight, layer, eps, dy, &mut normed, du);
                        for ((dw, db), (dy, normed)) in
                            dweight.iter_mut().zip(dbias.iter_mut()).zip(dy.iter().zip(&normed))
                        {
                            *dw += dy * normed;
                            *db += dy;
                        }
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

/// du = (g - mean(g) - n mean(g n)) / deviation with g = dy w and n = normed row; an RMS norm has no mean to take off.
#[inline(always)]
fn row(u: &[f32], weight: &[f32], layer: bool, eps: f32, dy: &[f32], normed: &mut [f32], du: &mut [f32]) {
    let d = u.len() as f32;
    let mean = if layer { lane_sum(u, |v| v) / d } else { 0.0 };
    let scale = 1.0 / (lane_sum(u, |v| (v - mean) * (v - mean)) / d + eps).sqrt();
    for ((n, u), (du, (dy, w))) in normed.iter_mut().zip(u).zip(du.iter_mut().zip(dy.iter().zip(weight))) {
        *n = (u - mean) * scale;
        *du = dy * w;
    }
    let level = if layer { lane_sum(du, |v| v) / d } else { 0.0 };
    let mut lanes = [0.0_f32; 16];
    for (g, n) in du.chunks(16).zip(normed.chunks(16)) {
        lanes.iter_mut().zip(g.iter().zip(n)).for_each(|(lane, (g, n))| *lane += g * n);
    }
    let slope = lanes.iter().sum::<f32>() / d;
    du.iter_mut().zip(normed).for_each(|(du, n)| *du = (*du - level - *n * slope) * scale);
}
