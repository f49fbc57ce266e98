//! The formula, in f64.

pub(super) fn sigmoid(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = (1.0 / (1.0 + (-f64::from(*x)).exp())) as f32);
}
