//! The sum over rows, in f64.

pub(super) fn outer(a: &[f32], m: usize, b: &[f32], n: usize, y: &mut [f32]) {
    for (i, y) in y.iter_mut().enumerate() {
        let rows = a.chunks_exact(m).zip(b.chunks_exact(n));
        *y = rows.map(|(a, b)| f64::from(a[i / n]) * f64::from(b[i % n])).sum::<f64>() as f32;
    }
}
