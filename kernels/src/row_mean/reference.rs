//! The mean, in f64.

pub(super) fn row_mean(x: &[f32], d: usize, y: &mut [f32]) {
    for (y, row) in y.iter_mut().zip(x.chunks_exact(d)) {
        *y = (row.iter().map(|v| f64::from(*v)).sum::<f64>() / d as f64) as f32;
    }
}
