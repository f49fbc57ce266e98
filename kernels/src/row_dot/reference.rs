//! The sum, in f64.

pub(super) fn row_dot(x: &[f32], w: &[f32], bias: f32, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(w.len()).zip(y) {
        let dot: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        *y = (dot + f64::from(bias)) as f32;
    }
}
