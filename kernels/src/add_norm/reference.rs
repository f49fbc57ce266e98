//! The plainest statement, in f64.

use super::Norm;

pub(super) fn add_norm(
    h: Option<&[f32]>,
    u: &mut [f32],
    norm: &Norm<&[f32]>,
    d: usize,
    eps: f32,
    y: &mut [f32],
) {
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

/// Gradients of u, weight and bias, from the Jacobian of a row.
pub(super) fn gradients(u: &[f32], norm: &Norm<&[f32]>, eps: f32, dy: &[f32]) -> [Vec<f32>; 3] {
    let (weight, layer) = match norm {
        Norm::Rms { weight } => (weight, 0.0),
        Norm::Layer { weight, .. } => (weight, 1.0),
    };
    let d = weight.len();
    let (mut du, mut dw, mut db) = (Vec::new(), vec![0.0_f64; d], vec![0.0_f64; d]);
    for (u, dy) in u.chunks_exact(d).zip(dy.chunks_exact(d)) {
        let mean = layer * u.iter().map(|v| f64::from(*v)).sum::<f64>() / d as f64;
        let var = u.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / d as f64;
        let scale = 1.0 / (var + f64::from(eps)).sqrt();
        let unit: Vec<f64> = u.iter().map(|v| (f64::from(*v) - mean) * scale).collect();
        for j in 0..d {
            let by =
                |i: usize| scale * (f64::from(u8::from(i == j)) - (layer + unit[i] * unit[j]) / d as f64);
            du.push((0..d).map(|i| f64::from(dy[i]) * f64::from(weight[i]) * by(i)).sum::<f64>() as f32);
            dw[j] += f64::from(dy[j]) * unit[j];
            db[j] += f64::from(dy[j]) * layer;
        }
    }
    let narrow = |sums: Vec<f64>| sums.iter().map(|v| *v as f32).collect();
    [du, narrow(dw), narrow(db)]
}
