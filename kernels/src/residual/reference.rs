//! The formula, in f64.

pub(super) fn residual(r: &[f32], d: usize, y: &mut [f32]) {
    for (r, y) in r.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
        for j in 0..d / 2 {
            let (a, b) = (f64::from(r[2 * j]), f64::from(r[2 * j + 1]));
            y[j] = ((a.abs() + b.abs()) / 2.0) as f32;
            y[d / 2 + j] = ((a * a + b * b) / 2.0) as f32;
        }
    }
}
