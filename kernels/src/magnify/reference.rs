//! The formula, in f64.

pub(super) fn magnify(x: &mut [f32], d: usize, gain: f32) {
    for (i, v) in x.iter_mut().enumerate() {
        let power = if i % d < d / 2 { 1 } else { 2 };
        *v = (f64::from(*v) * f64::from(gain).powi(power)) as f32;
    }
}
