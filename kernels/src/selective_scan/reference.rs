//! The recurrence, channel by channel, in f64.

use super::{Parameters, Tokens};

pub(super) fn selective_scan(
    tokens: &Tokens<&[f32]>,
    parameters: &Parameters<&[f32]>,
    len: usize,
    states: &mut [f32],
    y: &mut [f32],
) {
    let d = parameters.skip.len();
    let n = parameters.a.len() / d;
    let rows = y.len() / d;
    let width = tokens.bc.len() / rows;
    let at = |x: &[f32], i: usize| f64::from(x[i]);
    for sequence in 0..rows / len {
        for channel in 0..d {
            let mut h = vec![0.0_f64; n];
            for row in sequence * len..(sequence + 1) * len {
                let place = row * d + channel;
                let step = at(tokens.delta, place) + at(parameters.bias, channel);
                let delta = if step > 20.0 { step } else { step.exp().ln_1p() };
                let u = at(tokens.u, place);
                let (b, c) = ((row + 1) * width - 2 * n, (row + 1) * width - n);
                let mut out = at(parameters.skip, channel) * u;
                for (i, h) in h.iter_mut().enumerate() {
                    let decay = (delta * at(parameters.a, i * d + channel)).exp();
                    *h = decay * *h + delta * at(tokens.bc, b + i) * u;
                    out += at(tokens.bc, c + i) * *h;
                }
                if let Some(z) = tokens.z {
                    out *= at(z, place) / (1.0 + (-at(z, place)).exp());
                }
                y[place] = out as f32;
            }
            for (i, h) in h.iter().enumerate() {
                states[(sequence * n + i) * d + channel] = *h as f32;
            }
        }
    }
}
