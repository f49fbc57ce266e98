//! Four cells an output, in f64.

use super::{Corners, taps};

pub(super) fn upsample(
    x: &[f32],
    from: (usize, usize),
    to: (usize, usize),
    c: usize,
    corners: Corners,
) -> Vec<f32> {
    let (rows, cols) = (taps(from.0, to.0, corners), taps(from.1, to.1, corners));
    let at = |row: usize, col: usize, ch: usize| f64::from(x[(row * from.1 + col) * c + ch]);
    let mut y = Vec::new();
    for r in &rows {
        for q in &cols {
            for ch in 0..c {
                let (u, v) = (f64::from(r.t), f64::from(q.t));
                let top = at(r.low, q.low, ch) * (1.0 - v) + at(r.low, q.high, ch) * v;
                let bottom = at(r.high, q.low, ch) * (1.0 - v) + at(r.high, q.high, ch) * v;
                y.push((top * (1.0 - u) + bottom * u) as f32);
            }
        }
    }
    y
}
