//! The sum over taps, and the derivative by each of them, in f64.

use super::Then;

/// Calls `visit` with every pair of an output cell and an input cell that a tap joins: (tap, output, input).
fn pairs(
    maps: usize,
    [height, width]: [usize; 2],
    side: usize,
    step: usize,
    mut visit: impl FnMut(usize, usize, usize),
) {
    // As TensorFlow says it: as many zeros as the last window needs, the odd one below and at the right.
    let before = |n: usize| ((n.div_ceil(step) - 1) * step + side).saturating_sub(n) / 2;
    let (rows, cols) = (height.div_ceil(step), width.div_ceil(step));
    for cell in 0..maps * rows * cols {
        let (map, row, col) = (cell / (rows * cols), cell / cols % rows, cell % cols);
        for tap in 0..side * side {
            let (r, q) = (row * step + tap / side, col * step + tap % side);
            let (above, left) = (before(height), before(width));
            if (above..height + above).contains(&r) && (left..width + left).contains(&q) {
                visit(tap, cell, (map * height + r - above) * width + q - left);
            }
        }
    }
}

pub(super) fn depthwise(
    x: &[f32],
    size: [usize; 2],
    weight: &[f32],
    bias: &[f32],
    step: usize,
    then: Then,
    y: &mut [f32],
) {
    let c = bias.len();
    let side = (weight.len() / c).isqrt();
    let maps = x.len() / (size[0] * size[1] * c);
    for channel in 0..c {
        let mut sums = vec![f64::from(bias[channel]); y.len() / c];
        pairs(maps, size, side, step, |tap, output, input| {
            sums[output] +=
                f64::from(x[input * c + channel]) * f64::from(weight[channel * side * side + tap]);
        });
        for (cell, sum) in sums.iter().enumerate() {
            let sum = if then == Then::Relu6 { sum.clamp(0.0, 6.0) } else { *sum };
            y[cell * c + channel] = sum as f32;
        }
    }
}

pub(super) fn weight_gradient(
    x: &[f32],
    [height, width]: [usize; 2],
    g: &[f32],
    c: usize,
    side: usize,
) -> Vec<f32> {
    let mut sums = vec![0.0_f64; c * side * side];
    for channel in 0..c {
        pairs(g.len() / (height * width * c), [height, width], side, 1, |tap, output, input| {
            sums[channel * side * side + tap] +=
                f64::from(x[input * c + channel]) * f64::from(g[output * c + channel]);
        });
    }
    sums.iter().map(|sum| *sum as f32).collect()
}
