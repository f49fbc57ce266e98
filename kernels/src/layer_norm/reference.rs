//! The plainest statement, in f64.

pub(super) fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    let d = weight.len();
    for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / d as f64;
        let var = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / d as f64;
        for (i, y) in y.iter_mut().enumerate() {
            let unit = (f64::from(x[i]) - mean) / (var + f64::from(eps)).sqrt();
            *y = (unit * f64::from(weight[i]) + f64::from(bias[i])) as f32;
        }
    }
}

/// Gradients of x, weight and bias, from the Jacobian of a row.
pub(super) fn gradient(x: &[f32], weight: &[f32], eps: f32, g: &[f32]) -> [Vec<f32>; 3] {
    let d = weight.len();
    let (mut dx, mut dw, mut db) = (Vec::new(), vec![0.0_f64; d], vec![0.0_f64; d]);
    for (x, g) in x.chunks_exact(d).zip(g.chunks_exact(d)) {
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / d as f64;
        let var = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / d as f64;
        let scale = 1.0 / (var + f64::from(eps)).sqrt();
        let unit: Vec<f64> = x.iter().map(|v| (f64::from(*v) - mean) * scale).collect();
        for j in 0..d {
            let by = |i: usize| scale * (f64::from(u8::from(i == j)) - (1.0 + unit[i] * unit[j]) / d as f64);
            dx.push((0..d).map(|i| f64::from(g[i]) * f64::from(weight[i]) * by(i)).sum::<f64>() as f32);
            dw[j] += f64::from(g[j]) * unit[j];
            db[j] += f64::from(g[j]);
        }
    }
    let narrow = |sums: Vec<f64>| sums.iter().map(|v| *v as f32).collect();
    [dx, narrow(dw), narrow(db)]
}
