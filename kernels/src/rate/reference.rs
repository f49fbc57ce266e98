//! The formula, in f64.

pub(super) fn rate(raw: &[f32], reference: f32, y: &mut [f32]) {
    for (y, raw) in y.iter_mut().zip(raw) {
        let square = (f64::from(*raw) / f64::from(reference)).powi(2);
        *y = (square / (1.0 + square)) as f32;
    }
}
