//! The plainest statement, in f64.

use super::Norm;

pub(super) fn add_norm(h: Option<&[f32]>, u: &mut [f32], norm: &Norm<'_>, d: usize, eps: f32, y: &mut [f32]) {
    if let Some(h) = h {
        u.iter_mut().zip(h).for_each(|(u, h)| *u += h);
    }
    for (u, y) in u.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
        let mean_of = |f: &dyn Fn(f64) -> f64| u.iter().map(|v| f(f64::from(*v))).sum::<f64>() / d as f64;
        for (i, y) in y.iter_mut().enumerate() {
            let value = f64::from(u[i]);
            *y = match norm {
                Norm::Rms { weight } => {
                    value / (mean_of(&|v| v * v) + f64::from(eps)).sqrt() * f64::from(weight[i])
                }
                Norm::Layer { weight, bias } => {
                    let mean = mean_of(&|v| v);
                    let var = mean_of(&|v| (v - mean).powi(2));
                    (value - mean) / (var + f64::from(eps)).sqrt() * f64::from(weight[i]) + f64::from(bias[i])
                }
            } as f32;
        }
    }
}
