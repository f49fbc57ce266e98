//! Rows over threads: a row is added, summed and written while it lies in the first-level cache.

use rayon::prelude::*;

use super::Norm;
use crate::layer_norm;
use crate::math::lane_sum;
use crate::simd::dispatch;
use crate::threads::rows_per_task;

/// The most rows of a task.
const MAX_BLOCK: usize = 256;

pub(super) fn norm(u: &[f32], norm: &Norm<&[f32]>, d: usize, eps: f32, y: &mut [f32]) {
    if u.is_empty() {
        return;
    }
    let block = rows_per_task(u.len() / d, MAX_BLOCK) * d;
    u.par_chunks(block).zip(y.par_chunks_mut(block)).for_each(|(u, y)| {
        dispatch(
            #[inline(always)]
            || rows(u, norm, d, eps, y),
        );
    });
}

pub(super) fn add_norm(
    h: Option<&[f32]>,
    u: &mut [f32],
    norm: &Norm<&[f32]>,
    d: usize,
    eps: f32,
    y: &mut [f32],
) {
    let Some(h) = h else { return self::norm(u, norm, d, eps, y) };
    if u.is_empty() {
        return;
    }
    let block = rows_per_task(u.len() / d, MAX_BLOCK) * d;
    u.par_chunks_mut(block).zip(h.par_chunks(block)).zip(y.par_chunks_mut(block)).for_each(|((u, h), y)| {
        dispatch(
            #[inline(always)]
            || {
                u.iter_mut().zip(h).for_each(|(u, h)| *u += h);
                rows(u, norm, d, eps, y);
            },
        );
    });
}

#[inline(always)]
fn rows(u: &[f32], norm: &Norm<&[f32]>, d: usize, eps: f32, y: &mut [f32]) {
    for (u, y) in u.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
        match norm {
            Norm::Rms { weight } => rms(u, weight, eps, y),
            Norm::Layer { weight, bias } => layer_norm::cpu::row(u, weight, bias, eps, y),
        }
    }
}

#[inline(always)]
fn rms(u: &[f32], weight: &[f32], eps: f32, y: &mut [f32]) {
    let scale = 1.0 / (lane_sum(u, |v| v * v) / u.len() as f32 + eps).sqrt();
    for ((y, u), w) in y.iter_mut().zip(u).zip(weight) {
        *y = u * scale * w;
    }
}
