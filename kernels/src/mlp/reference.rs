//! The plainest statement, in f64.

/// `numbers` are weight and bias of the norm, W1, b1, W2, b2, x and y.
pub(super) fn mlp(numbers: &[Vec<f32>; 8], eps: f64) -> Vec<f32> {
    let [weight, bias, up, up_bias, down, down_bias, x, y] = numbers;
    let d = weight.len();
    let wide = |v: &f32| f64::from(*v);
    let layer = |row: &[f64], w: &[f32], b: &[f32]| -> Vec<f64> {
        w.chunks_exact(row.len())
            .zip(b)
            .map(|(w, b)| row.iter().zip(w).map(|(x, w)| x * wide(w)).sum::<f64>() + wide(b))
            .collect()
    };
    let mut y = y.clone();
    for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
        let mean = x.iter().map(wide).sum::<f64>() / d as f64;
        let var = x.iter().map(|v| (wide(v) - mean).powi(2)).sum::<f64>() / d as f64;
        let affine = weight.iter().zip(bias);
        let normed: Vec<f64> = x
            .iter()
            .zip(affine)
            .map(|(v, (w, b))| (wide(v) - mean) / (var + eps).sqrt() * wide(w) + wide(b))
            .collect();
        let mut hidden = layer(&normed, up, up_bias);
        hidden.iter_mut().for_each(|v| *v = wide(&crate::gelu::reference::gelu(*v as f32)));
        y.iter_mut().zip(layer(&hidden, down, down_bias)).for_each(|(y, v)| *y = (wide(y) + v) as f32);
    }
    y
}
