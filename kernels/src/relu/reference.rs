//! The formula.

pub(super) fn add_relu(x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        let sum = f64::from(*y) + f64::from(*x);
        *y = if sum > 0.0 { sum as f32 } else { 0.0 };
    }
}
