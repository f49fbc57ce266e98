//! The plainest statement of the layer, in f64.

use super::Then;

pub(super) fn linear(x: &[f32], w: &[f32], k: usize, bias: &[f32], then: Then, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(k).zip(y.chunks_exact_mut(bias.len())) {
        for ((w, bias), y) in w.chunks_exact(k).zip(bias).zip(y) {
            let dot: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
            let value = dot + f64::from(*bias);
            *y = match then {
                Then::Store => value as f32,
                Then::Gelu => crate::math::gelu(value as f32),
                Then::Add => (f64::from(*y) + value) as f32,
            };
        }
    }
}

/// Gradients of x and of the weight.
pub(super) fn gradients(x: &[f32], w: &[f32], k: usize, g: &[f32]) -> [Vec<f32>; 2] {
    let n = w.len() / k;
    let m = x.len() / k;
    let sum = |len: usize, term: &dyn Fn(usize) -> (f32, f32)| {
        (0..len).map(term).map(|(a, b)| f64::from(a) * f64::from(b)).sum::<f64>() as f32
    };
    let dx = (0..m * k).map(|i| sum(n, &|j| (g[i / k * n + j], w[j * k + i % k]))).collect();
    let dw = (0..n * k).map(|i| sum(m, &|row| (g[row * n + i / k], x[row * k + i % k]))).collect();
    [dx, dw]
}
