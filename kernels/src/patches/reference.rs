//! Element by element.

use crate::grid::Grid;

pub(super) fn patches(image: &[f32], size: Grid, p: usize, rows: &mut [f32]) {
    let Grid { rows: height, columns: width } = size;
    let (across, c) = (width / p, image.len() / (height * width));
    for (i, out) in rows.iter_mut().enumerate() {
        let (patch, at) = (i / (c * p * p), i % (c * p * p));
        let (channel, y, x) = (at / (p * p), at / p % p, at % p);
        *out = image[(channel * height + patch / across * p + y) * width + patch % across * p + x];
    }
}

pub(super) fn merge(cells: &[f32], grid: Grid, c: usize, rows: &mut [f32]) {
    let across = grid.columns / 2;
    for (i, out) in rows.iter_mut().enumerate() {
        let (square, at) = (i / (4 * c), i % (4 * c));
        let (y, x, channel) = (at / (2 * c), at / c % 2, at % c);
        *out = cells[((square / across * 2 + y) * grid.columns + square % across * 2 + x) * c + channel];
    }
}
