//! The formula, in f64.

pub(super) fn unit_rows(x: &mut [f32], d: usize) {
    for row in x.chunks_exact_mut(d) {
        let mean = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / d as f64;
        for v in row.iter_mut().filter(|_| mean > 0.0) {
            *v = (f64::from(*v) / mean.sqrt()) as f32;
        }
    }
}
