//! The formula, in f64.

use super::EPS;

pub(super) fn cosine_distance(a: &[f32], b: &[f32], c: usize, y: &mut [f32]) {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    for (y, (a, b)) in y.iter_mut().zip(a.chunks_exact(c).zip(b.chunks_exact(c))) {
        let length = (dot(a, a) * dot(b, b)).sqrt();
        *y = (1.0 - dot(a, b) / length.max(f64::from(EPS))) as f32;
    }
}
