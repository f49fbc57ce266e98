//! The plainest statement, in f64; the derivative from the full Jacobian.

pub(super) fn softmax(row: &[f32]) -> Vec<f64> {
    let exps: Vec<f64> = row.iter().map(|x| f64::from(*x).exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|e| e / sum).collect()
}

pub(super) fn gradient(row: &[f32], g: &[f32]) -> Vec<f32> {
    let y = softmax(row);
    let derivative = |i: usize, j: usize| y[j] * (f64::from(u8::from(i == j)) - y[i]);
    (0..y.len())
        .map(|i| (0..y.len()).map(|j| f64::from(g[j]) * derivative(i, j)).sum::<f64>() as f32)
        .collect()
}
