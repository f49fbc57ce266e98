//! Gaussian blur of one map, as `scipy.ndimage.gaussian_filter` does it: taps exp(-x^2 / 2 sigma^2) out to four sigma,
//! normalised, first down the columns and then along the rows, the edge sample repeated by reflection
//! (d c b a | a b c d | d c b a).
//!
//! # Shapes
//! x (h, w) row-major, blurred in place.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Blur;

/// Taps from the centre outwards, in f64; the full filter is symmetric. Without a positive sigma it is one tap of 1.
fn taps(sigma: f64) -> Vec<f64> {
    if sigma.is_nan() || sigma <= 0.0 {
        return vec![1.0];
    }
    let radius = (4.0 * sigma + 0.5) as i32;
    let weight = |x: i32| (-0.5 * f64::from(x * x) / (sigma * sigma)).exp();
    let sum: f64 = (-radius..=radius).map(weight).sum();
    (0..=radius).map(|x| weight(x) / sum).collect()
}

/// Index of the sample at position `i`, which may lie outside 0..n.
fn reflect(i: isize, n: usize) -> usize {
    let n = n as isize;
    let i = i.rem_euclid(2 * n);
    (if i < n { i } else { 2 * n - 1 - i }) as usize
}
