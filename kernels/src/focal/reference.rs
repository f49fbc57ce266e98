//! The formula at each pixel, in f64; no gradient.

use super::{Focal, Of, Sides};
use crate::upsample::{Corners, taps};

pub(super) fn focal(x: &[f32], of: Of, sides: Sides, masks: &[u8], constants: Focal) -> f64 {
    let Sides { from, to } = sides;
    let (taps, images) = (taps(from, to, Corners::Centres), masks.len() / (to * to));
    let (alpha, gamma) = (f64::from(constants.alpha), f64::from(constants.gamma));
    let (mut sum, mut count) = (0.0, 0);
    for (i, map) in x.chunks_exact(from * from).enumerate() {
        for pixel in 0..to * to {
            let (row, col) = (taps[pixel / to], taps[pixel % to]);
            let at = |r: usize, c: usize| f64::from(map[r * from + c]);
            let (v, u) = (f64::from(row.t), f64::from(col.t));
            let value = at(row.low, col.low) * (1.0 - u) * (1.0 - v)
                + at(row.low, col.high) * u * (1.0 - v)
                + at(row.high, col.low) * (1.0 - u) * v
                + at(row.high, col.high) * u * v;
            let p = if of == Of::Logits { 1.0 / (1.0 + (-value).exp()) } else { value };
            sum -= if masks[i % images * to * to + pixel] != 0 {
                alpha * (1.0 - p).powf(gamma) * p.ln()
            } else {
                (1.0 - alpha) * p.powf(gamma) * (1.0 - p).ln()
            };
            count += 1;
        }
    }
    sum / f64::from(count)
}
