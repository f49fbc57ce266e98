//! The mean over the cells that exist, in f64.

pub(super) fn mean3x3(x: &[f32], [height, width]: [usize; 2], c: usize, y: &mut [f32]) {
    for (i, y) in y.iter_mut().enumerate() {
        let (cell, channel) = (i / c, i % c);
        let (map, row, col) = (cell / (height * width), cell / width % height, cell % width);
        let (mut sum, mut n) = (0.0, 0.0);
        for (r, q) in (0..height).flat_map(|r| (0..width).map(move |q| (r, q))) {
            if r.abs_diff(row) <= 1 && q.abs_diff(col) <= 1 {
                sum += f64::from(x[((map * height + r) * width + q) * c + channel]);
                n += 1.0;
            }
        }
        *y = (sum / n) as f32;
    }
}
