//! The formula, in f64.

pub(super) fn gate(z: &[f32], y: &mut [f32]) {
    for (y, z) in y.iter_mut().zip(z) {
        let z = f64::from(*z);
        *y = (f64::from(*y) * z / (1.0 + (-z).exp())) as f32;
    }
}
