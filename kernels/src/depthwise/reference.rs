//! The sum over taps, and the derivative by each of them, in f64.

/// Calls `visit` with every pair of an output cell and an input cell that a tap joins: (tap, output, input).
fn pairs(n: usize, height: usize, width: usize, side: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let pad = side / 2;
    for cell in 0..n {
        let (map, row, col) = (cell / (height * width), cell / width % height, cell % width);
        for tap in 0..side * side {
            let (r, q) = (row + tap / side, col + tap % side);
            if (pad..height + pad).contains(&r) && (pad..width + pad).contains(&q) {
                visit(tap, cell, (map * height + r - pad) * width + q - pad);
            }
        }
    }
}

pub(super) fn depthwise(x: &[f32], [height, width]: [usize; 2], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    let c = bias.len();
    let side = (weight.len() / c).isqrt();
    for channel in 0..c {
        let mut sums = vec![f64::from(bias[channel]); y.len() / c];
        pairs(y.len() / c, height, width, side, |tap, output, input| {
            sums[output] +=
                f64::from(x[input * c + channel]) * f64::from(weight[channel * side * side + tap]);
        });
        for (cell, sum) in sums.iter().enumerate() {
            y[cell * c + channel] = *sum as f32;
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
        pairs(g.len() / c, height, width, side, |tap, output, input| {
            sums[channel * side * side + tap] +=
                f64::from(x[input * c + channel]) * f64::from(g[output * c + channel]);
        });
    }
    sums.iter().map(|sum| *sum as f32).collect()
}
