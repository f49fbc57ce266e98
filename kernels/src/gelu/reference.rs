//! The plainest statement, in f64, with the normal distribution summed as a series.

/// P(N(0, 1) <= x) by its Taylor series; what is left of it beyond 6, where its terms cancel, is 1e-9.
fn normal(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return f64::from(u8::from(x > 0.0));
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / 2.0 / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    0.5 + sum / (2.0 * std::f64::consts::PI).sqrt()
}

pub(crate) fn gelu(x: f32) -> f32 {
    (f64::from(x) * normal(f64::from(x))) as f32
}

pub(super) fn derivative(x: f32) -> f32 {
    let x = f64::from(x);
    (normal(x) + x * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()) as f32
}
