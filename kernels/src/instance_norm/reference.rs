//! The formula, channel by channel, in f64.

use super::Then;

pub(super) fn instance_norm(y: &mut [f32], c: usize, eps: f32, then: Then) {
    let n = (y.len() / c) as f64;
    for channel in 0..c {
        let values: Vec<f64> = y.iter().skip(channel).step_by(c).map(|v| f64::from(*v)).collect();
        let mean = values.iter().sum::<f64>() / n;
        let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        for (y, value) in y.iter_mut().skip(channel).step_by(c).zip(values) {
            let unit = (value - mean) / (var + f64::from(eps)).sqrt();
            *y = match then {
                Then::Store => unit as f32,
                Then::Silu => (unit / (1.0 + (-unit).exp())) as f32,
            };
        }
    }
}
