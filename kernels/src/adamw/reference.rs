//! The formula, in f64.

use super::Step;

pub(super) fn adamw(p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], step: &Step) {
    let (b1, b2) = step.betas;
    let t = step.number as i32;
    for i in 0..p.len() {
        let g = step.scale * g[i];
        p[i] -= step.rate * step.decay * p[i];
        m[i] = b1 * m[i] + (1.0 - b1) * g;
        v[i] = b2 * v[i] + (1.0 - b2) * g * g;
        let denominator = (v[i] / (1.0 - b2.powi(t))).sqrt() + step.eps;
        p[i] -= step.rate / (1.0 - b1.powi(t)) * m[i] / denominator;
    }
}
