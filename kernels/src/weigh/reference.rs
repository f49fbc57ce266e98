//! The formula, in f64.

pub(super) fn weigh(probabilities: &[f32], scores: &[f32], level: f32, y: &mut [f32]) {
    for ((y, p), r) in y.iter_mut().zip(probabilities).zip(scores) {
        *y = (f64::from(*p) * (f64::from(*r) / f64::from(level)).sqrt()) as f32;
    }
}
