//! The two poolings, one after the other, in f64.

use super::{MIDDLE, window};

pub(super) fn channel_pool(a: &[f32], b: &[f32], out: usize) -> Vec<f32> {
    let stacked: Vec<f64> = [a, b].iter().flat_map(|group| pool(&widen(group), MIDDLE)).collect();
    pool(&stacked, out).iter().map(|v| *v as f32).collect()
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

fn pool(x: &[f64], m: usize) -> Vec<f64> {
    (0..m)
        .map(|i| {
            let inputs = &x[window(i, x.len(), m)];
            inputs.iter().sum::<f64>() / inputs.len() as f64
        })
        .collect()
}
