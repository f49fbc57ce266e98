//! The sum over taps and channels, in f64.

use super::{TAPS, Then};
use crate::grid::Grid;

pub(super) fn conv3x3(
    x: &[f32],
    Grid { rows, columns }: Grid,
    weight: &[f32],
    bias: &[f32],
    dilation: usize,
    then: Then,
    y: &mut [f32],
) {
    let (c_out, cells) = (bias.len(), rows * columns);
    let c_in = weight.len() / c_out / TAPS;
    for (i, y) in y.iter_mut().enumerate() {
        let (cell, out) = (i / c_out, i % c_out);
        let (map, row, col) = (cell / cells, cell % cells / columns, cell % columns);
        let mut sum = f64::from(bias[out]);
        for tap in 0..TAPS {
            let (r, c) = (row + tap / 3 * dilation, col + tap % 3 * dilation);
            let inside = |v: usize, n: usize| (dilation..n + dilation).contains(&v);
            if inside(r, rows) && inside(c, columns) {
                let from = (map * cells + (r - dilation) * columns + c - dilation) * c_in;
                for channel in 0..c_in {
                    let w = weight[(out * c_in + channel) * TAPS + tap];
                    sum += f64::from(x[from + channel]) * f64::from(w);
                }
            }
        }
        *y = if then == Then::Relu { sum.max(0.0) } else { sum } as f32;
    }
}
