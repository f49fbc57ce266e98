//! Element by element.

pub(super) fn scale_columns(x: &mut [f32], factors: &[f32]) {
    for (i, x) in x.iter_mut().enumerate() {
        *x *= factors[i % factors.len()];
    }
}
