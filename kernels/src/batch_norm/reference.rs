//! The formula, in f64, with the statistics of the batch.

use super::Affine;

/// y, and mean and biased variance of each channel.
pub(super) fn batch_norm_relu(x: &[f32], affine: Affine<&[f32]>, eps: f32) -> (Vec<f32>, Vec<[f64; 2]>) {
    let c = affine.weight.len();
    let rows = (x.len() / c) as f64;
    let channel = |j: usize| x.iter().skip(j).step_by(c).map(|v| f64::from(*v));
    let stats: Vec<[f64; 2]> = (0..c)
        .map(|j| {
            let mean = channel(j).sum::<f64>() / rows;
            [mean, channel(j).map(|v| (v - mean).powi(2)).sum::<f64>() / rows]
        })
        .collect();
    let value = |(i, v): (usize, &f32)| {
        let [mean, var] = stats[i % c];
        let normed = (f64::from(*v) - mean) / (var + f64::from(eps)).sqrt();
        (normed * f64::from(affine.weight[i % c]) + f64::from(affine.bias[i % c])).max(0.0) as f32
    };
    (x.iter().enumerate().map(value).collect(), stats)
}
