//! The formula, in f64.

use crate::nearest::NONE;

pub(super) fn matched_residual(x: &[f32], d: usize, rows: &[f32], matches: &[u32], k: usize, r: &mut [f32]) {
    for (i, r) in r.iter_mut().enumerate() {
        let (token, channel) = (i / d, i % d);
        let of = &matches[token * k..][..k];
        let found: Vec<f64> = of
            .iter()
            .filter(|place| **place != NONE)
            .map(|place| f64::from(rows[*place as usize * d + channel]))
            .collect();
        let mean = if found.is_empty() { 0.0 } else { found.iter().sum::<f64>() / found.len() as f64 };
        *r = (mean - f64::from(x[i])) as f32;
    }
}
