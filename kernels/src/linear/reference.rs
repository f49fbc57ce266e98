//! The plainest statement of the layer, in f64.

use super::Then;

pub(super) fn linear(x: &[f32], w: &[f32], k: usize, bias: &[f32], then: Then, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(k).zip(y.chunks_exact_mut(bias.len())) {
        for ((w, bias), y) in w.chunks_exact(k).zip(bias).zip(y) {
            let dot: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            let value = dot + f64::from(*bias);
            *y = match then {
                Then::Store => value as f32,
                Then::Gelu => crate::gelu::reference::gelu(value as f32),
                Then::Relu6 => value.clamp(0.0, 6.0) as f32,
                Then::Add => (f64::from(*y) + value) as f32,
            };
        }
    }
}

/// Gradients of x and of the bias.
pub(super) fn gradients(w: &[f32], k: usize, g: &[f32]) -> [Vec<f32>; 2] {
    let n = w.len() / k;
    let wide = |i: usize| f64::from(g[i]);
    let dx = (0..g.len() / n * k)
        .map(|i| (0..n).map(|j| wide(i / k * n + j) * f64::from(w[j * k + i % k])).sum::<f64>() as f32);
    let db = (0..n).map(|j| (j..g.len()).step_by(n).map(wide).sum::<f64>() as f32);
    [dx.collect(), db.collect()]
}
