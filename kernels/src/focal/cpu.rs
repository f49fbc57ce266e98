//! Maps over threads. A row of pixels is resampled, judged, and its gradient handed back to the cells at once, so that
//! nothing of the size of a mask is stored.

use rayon::prelude::*;

use super::{Focal, Of, Sides};
use crate::math::{exp, sigmoid, softplus};
use crate::simd::dispatch;
use crate::upsample::{Corners, Tap, taps};

pub(super) fn focal(x: &[f32], of: Of, sides: Sides, masks: &[u8], constants: Focal, dx: &mut [f32]) -> f64 {
    let Sides { from, to } = sides;
    let taps = taps(from, to, Corners::Centres);
    let (cells, pixels) = (from * from, to * to);
    let images = masks.len() / pixels;
    let share = 1.0 / (x.len() / cells * pixels) as f64;
    let mut losses = vec![0.0_f64; x.len() / cells];
    losses.par_iter_mut().zip(x.par_chunks(cells)).zip(dx.par_chunks_mut(cells)).enumerate().for_each(
        |(i, ((loss, x), dx))| {
            let mask = &masks[i % images * pixels..][..pixels];
            dispatch(
                #[inline(always)]
                || {
                    *loss = match of {
                        Of::Logits => map(x, &taps, mask, share as f32, dx, |z, y| of_logit(z, y, constants)),
                        Of::Probabilities => {
                            map(x, &taps, mask, share as f32, dx, |p, y| of_probability(p, y, constants))
                        }
                    }
                },
            );
        },
    );
    losses.iter().sum::<f64>() * share
}

/// The sum of the losses of one map; `judge` gives the loss of a value and its derivative.
#[inline(always)]
fn map(
    x: &[f32],
    taps: &[Tap],
    mask: &[u8],
    share: f32,
    dx: &mut [f32],
    judge: impl Fn(f32, bool) -> (f32, f32),
) -> f64 {
    let to = taps.len();
    let from = x.len().isqrt();
    let (mut mixed, mut back) = (vec![0.0_f32; from], vec![0.0_f32; from]);
    let (mut line, mut slopes) = (vec![0.0_f32; to], vec![0.0_f32; to]);
    let mut sum = 0.0_f64;
    dx.fill(0.0);
    for (row, mask) in taps.iter().zip(mask.chunks_exact(to)) {
        let (low, high) = (&x[row.low * from..][..from], &x[row.high * from..][..from]);
        for (mixed, (low, high)) in mixed.iter_mut().zip(low.iter().zip(high)) {
            *mixed = low * (1.0 - row.t) + high * row.t;
        }
        for (value, col) in line.iter_mut().zip(taps) {
            *value = mixed[col.low] * (1.0 - col.t) + mixed[col.high] * col.t;
        }
        for ((value, slope), y) in line.iter_mut().zip(&mut slopes).zip(mask) {
            (*value, *slope) = judge(*value, *y != 0);
        }
        sum += f64::from(line.iter().sum::<f32>());
        back.fill(0.0);
        for (slope, col) in slopes.iter().zip(taps) {
            let slope = slope * share;
            back[col.low] += slope * (1.0 - col.t);
            back[col.high] += slope * col.t;
        }
        for (i, back) in back.iter().enumerate() {
            dx[row.low * from + i] += back * (1.0 - row.t);
            dx[row.high * from + i] += back * row.t;
        }
    }
    sum
}

/// With u = z for a defective pixel and -z for another: loss a s(-u)^g softplus(-u), s being the sigmoid.
#[inline(always)]
fn of_logit(z: f32, y: bool, Focal { alpha, gamma }: Focal) -> (f32, f32) {
    let (sign, weight) = if y { (1.0, alpha) } else { (-1.0, 1.0 - alpha) };
    let u = sign * z;
    let cost = softplus(-u);
    // ln s(-u) = -softplus(u) = -(u + softplus(-u))
    let power = exp(-gamma * (u + cost));
    let wrong = sigmoid(-u);
    let slope = -power * (gamma * (1.0 - wrong) * cost + wrong);
    (weight * power * cost, sign * weight * slope)
}

#[inline(always)]
fn of_probability(p: f32, y: bool, Focal { alpha, gamma }: Focal) -> (f32, f32) {
    let (sign, weight) = if y { (1.0, alpha) } else { (-1.0, 1.0 - alpha) };
    let right = if y { p } else { 1.0 - p };
    let (right, wrong) = (right.max(f32::MIN_POSITIVE), (1.0 - right).max(f32::MIN_POSITIVE));
    let log = right.ln();
    let less = wrong.powf(gamma - 1.0);
    (-weight * less * wrong * log, sign * weight * (gamma * less * log - less * wrong / right))
}
