//! All taps of each output, rounded to f32 after each axis.

use super::{reflect, taps};

pub(super) fn blur(x: &mut [f32], w: usize, sigma: f64) {
    let (h, taps) = (x.len() / w, taps(sigma));
    let along = |x: &[f32], n: usize, at: &dyn Fn(usize, usize) -> usize| -> Vec<f32> {
        let mut y = x.to_vec();
        for line in 0..x.len() / n {
            for i in 0..n {
                let value = |offset: isize| f64::from(x[at(line, reflect(i as isize + offset, n))]);
                let sum: f64 =
                    (1..taps.len()).map(|t| taps[t] * (value(t as isize) + value(-(t as isize)))).sum();
                y[at(line, i)] = (taps[0] * value(0) + sum) as f32;
            }
        }
        y
    };
    let down = along(x, h, &|col, row| row * w + col);
    x.copy_from_slice(&along(&down, w, &|row, col| row * w + col));
}
