//! The sum over taps, in f64.

use super::TAPS;

pub(super) fn causal_conv(x: &[f32], len: usize, w: &[f32], bias: &[f32], y: &mut [f32]) {
    let d = bias.len();
    for (i, y) in y.iter_mut().enumerate() {
        let (row, channel) = (i / d, i % d);
        let mut sum = f64::from(bias[channel]);
        for k in 0..TAPS {
            let back = TAPS - 1 - k;
            if row % len >= back {
                sum += f64::from(w[k * d + channel]) * f64::from(x[(row - back) * d + channel]);
            }
        }
        *y = (sum / (1.0 + (-sum).exp())) as f32;
    }
}
