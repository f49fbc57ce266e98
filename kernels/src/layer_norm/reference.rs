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
