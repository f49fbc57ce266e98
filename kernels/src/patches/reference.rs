//! Element by element.

pub(super) fn patches(image: &[f32], side: usize, p: usize, rows: &mut [f32]) {
    let (n, c) = (side / p, image.len() / (side * side));
    for (i, out) in rows.iter_mut().enumerate() {
        let (patch, at) = (i / (c * p * p), i % (c * p * p));
        let (channel, y, x) = (at / (p * p), at / p % p, at % p);
        *out = image[(channel * side + patch / n * p + y) * side + patch % n * p + x];
    }
}

pub(super) fn merge(cells: &[f32], side: usize, c: usize, rows: &mut [f32]) {
    let half = side / 2;
    for (i, out) in rows.iter_mut().enumerate() {
        let (square, at) = (i / (4 * c), i % (4 * c));
        let (y, x, channel) = (at / (2 * c), at / c % 2, at % c);
        *out = cells[((square / half * 2 + y) * side + square % half * 2 + x) * c + channel];
    }
}
