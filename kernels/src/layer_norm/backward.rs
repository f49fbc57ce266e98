//! Derivatives of the layer norm. With u = (x - mean) / sqrt(var + eps) and h = g w, the gradient of x is
//! (h - mean(h) - u mean(h u)) / sqrt(var + eps), that of w the sum over rows of g u, that of b the sum of g.

use rayon::prelude::*;

use crate::error::{Result, check_len};
use crate::math::lane_sum;
use crate::simd::dispatch;

/// Rows of a task: a fixed number, so that the sums do not hang on the number of threads.
const ROWS: usize = 128;

/// Gradients of everything that a layer norm reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// Of x, (m, d).
    pub x: Vec<f32>,
    /// Of the weight, (d).
    pub weight: Vec<f32>,
    /// Of the bias, (d).
    pub bias: Vec<f32>,
}

/// The gradients, from the input `x` and the gradient `g` of the output, both (m, d).
///
/// # Errors
/// When a length does not fit the width `weight.len()`.
pub fn layer_norm_gradient(x: &[f32], weight: &[f32], eps: f32, g: &[f32]) -> Result<Gradients> {
    let d = weight.len();
    check_len("layer_norm", "x", x.len() / d.max(1) * d, x.len())?;
    check_len("layer_norm", "gradient", x.len(), g.len())?;
    let mut all = Gradients { x: vec![0.0; x.len()], weight: vec![0.0; d], bias: vec![0.0; d] };
    if x.is_empty() {
        return Ok(all);
    }
    let block = ROWS * d;
    let sums: Vec<(Vec<f32>, Vec<f32>)> = all
        .x
        .par_chunks_mut(block)
        .zip(x.par_chunks(block).zip(g.par_chunks(block)))
        .map(|(dx, (x, g))| {
            let (mut dw, mut db) = (vec![0.0; d], vec![0.0; d]);
            dispatch(
                #[inline(always)]
                || {
                    let rows = x.chunks_exact(d).zip(g.chunks_exact(d));
                    for (dx, (x, g)) in dx.chunks_exact_mut(d).zip(rows) {
                        row(x, weight, eps, g, dx, &mut dw, &mut db);
                    }
                },
            );
            (dw, db)
        })
        .collect();
    for (dw, db) in sums {
        all.weight.iter_mut().zip(dw).for_each(|(sum, v)| *sum += v);
        all.bias.iter_mut().zip(db).for_each(|(sum, v)| *sum += v);
    }
    Ok(all)
}

#[inline(always)]
fn row(x: &[f32], weight: &[f32], eps: f32, g: &[f32], dx: &mut [f32], dw: &mut [f32], db: &mut [f32]) {
    let n = x.len() as f32;
    let mean = lane_sum(x, |v| v) / n;
    let var = lane_sum(x, |v| (v - mean) * (v - mean)) / n;
    let scale = 1.0 / (var + eps).sqrt();
    for (((dx, x), g), (dw, db)) in dx.iter_mut().zip(x).zip(g).zip(dw.iter_mut().zip(db)) {
        let u = (x - mean) * scale;
        *dw += g * u;
        *db += g;
        *dx = g * u; // h u, but for the weight
    }
    for (dx, w) in dx.iter_mut().zip(weight) {
        *dx *= w;
    }
    let along = lane_sum(dx, |v| v) / n;
    for (dx, (g, w)) in dx.iter_mut().zip(g.iter().zip(weight)) {
        *dx = g * w;
    }
    let level = lane_sum(dx, |v| v) / n;
    for (dx, x) in dx.iter_mut().zip(x) {
        *dx = (*dx - level - (x - mean) * scale * along) * scale;
    }
}
