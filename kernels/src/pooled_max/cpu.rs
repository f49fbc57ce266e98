//! Window sums from a summed-area table in f64: four look-ups a window.

use crate::simd::dispatch;

pub(super) fn pooled_max(x: &[f32], w: usize, window: usize, stride: usize, sums: &mut Vec<f64>) -> f32 {
    let h = x.len() / w;
    let line = w + 1;
    sums.clear();
    sums.resize((h + 1) * line, 0.0);
    for (row, values) in x.chunks_exact(w).enumerate() {
        let (above, below) = sums[row * line..].split_at_mut(line);
        let mut run = 0.0;
        for ((sum, above), value) in below[1..].iter_mut().zip(&above[1..]).zip(values) {
            run += f64::from(*value);
            *sum = above + run;
        }
    }
    let (wh, ww) = (window.min(h), window.min(w));
    let mut best = f64::NEG_INFINITY;
    for row in (0..=h - wh).step_by(stride) {
        let (top, bottom) = (&sums[row * line..][..line], &sums[(row + wh) * line..][..line]);
        for col in (0..=w - ww).step_by(stride) {
            best = best.max(bottom[col + ww] - bottom[col] - top[col + ww] + top[col]);
        }
    }
    (best / (wh * ww) as f64) as f32
}

/// Sixteen lanes, then one.
pub(super) fn peak(x: &[f32]) -> f32 {
    dispatch(
        #[inline(always)]
        || {
            let mut lanes = [0.0_f32; 16];
            let (chunks, rest) = x.as_chunks::<16>();
            for chunk in chunks {
                lanes.iter_mut().zip(chunk).for_each(|(lane, v)| *lane = lane.max(*v));
            }
            lanes.iter().chain(rest).copied().fold(0.0, f32::max)
        },
    )
}
