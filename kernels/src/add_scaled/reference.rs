//! The formula, in f64.

pub(super) fn add_scaled(x: &[f32], a: f32, y: &mut [f32]) {
    for (x, y) in x.iter().zip(y) {
        *y = (f64::from(*y) + f64::from(*x) * f64::from(a)) as f32;
    }
}
