//! Stretches of parameters over threads.

use rayon::prelude::*;

use super::Step;
use crate::simd::dispatch;

/// Parameters of one task.
const STRETCH: usize = 1 << 14;

pub(super) fn adamw(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], step: &Step) {
    let (b1, b2) = step.betas;
    let t = step.number as f64;
    let (first, second) = (1.0 - b1.powf(t), 1.0 - b2.powf(t));
    let keep = (1.0 - step.rate * step.decay) as f32;
    let (rate, root, eps, scale) =
        ((step.rate / first) as f32, (1.0 / second.sqrt()) as f32, step.eps as f32, step.scale as f32);
    let (b1, b2, a1, a2) = (b1 as f32, b2 as f32, (1.0 - b1) as f32, (1.0 - b2) as f32);
    p.par_chunks_mut(STRETCH)
        .zip(g.par_chunks(STRETCH))
        .zip(m.par_chunks_mut(STRETCH).zip(v.par_chunks_mut(STRETCH)))
        .for_each(|((p, g), (m, v))| {
            dispatch(
                #[inline(always)]
                || {
                    for ((p, g), (m, v)) in p.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
                        let g = g * scale;
                        *m = b1 * *m + a1 * g;
                        *v = b2 * *v + a2 * g * g;
                        *p = keep * *p - rate * *m / (v.sqrt() * root + eps);
                    }
                },
            );
        });
}
