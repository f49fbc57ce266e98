//! The formulas in f64, pixel by pixel.

use super::{CELLS, COLOURS, Cell, Gain, LUMA, PLANES, SIDE, Usual, cpu::STEP, span};
use crate::preprocess::{PixelRect, PreprocessSpec};

fn place(i: usize, n: usize) -> f64 {
    (2.0 * i as f64 + 1.0) / n as f64 - 1.0
}

/// The colour of a pixel of the visible part, 0..1.
fn colour(picture: &[f32], spec: &PreprocessSpec, visible: PixelRect, at: (usize, usize, usize)) -> f64 {
    let (colour, row, column) = at;
    let place = (colour * spec.size.rows + visible.y + row) * spec.size.columns + visible.x + column;
    f64::from(picture[place]) * f64::from(spec.std[colour]) + f64::from(spec.mean[colour])
}

pub(super) fn cells(picture: &[f32], spec: &PreprocessSpec, visible: PixelRect) -> Vec<Cell> {
    let mut cells = Vec::new();
    for down in 0..SIDE {
        for across in 0..SIDE {
            let rows: Vec<usize> = span(down, visible.height).step_by(STEP).collect();
            let columns = span(across, visible.width);
            let mean = |c: usize| {
                let values = rows.iter().flat_map(|row| columns.clone().map(move |column| (c, *row, column)));
                let values: Vec<f64> = values.map(|at| colour(picture, spec, visible, at)).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            let luma = |row: usize, column: usize| -> f64 {
                (0..COLOURS)
                    .map(|c| f64::from(LUMA[c]) * colour(picture, spec, visible, (c, row, column)))
                    .sum()
            };
            let mut differences = Vec::new();
            for row in &rows {
                let last = columns.end - 1;
                differences.extend((columns.start..last).map(|i| (luma(*row, i + 1) - luma(*row, i)).abs()));
            }
            let detail = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
            cells.push(Cell { colours: std::array::from_fn(|c| mean(c) as f32), detail: detail as f32 });
        }
    }
    cells
}

pub(super) fn relight(picture: &mut [f32], spec: &PreprocessSpec, visible: PixelRect, gains: &[Gain]) {
    for (c, gain) in gains.iter().enumerate() {
        let (mean, std) = (f64::from(spec.mean[c]), f64::from(spec.std[c]));
        for row in 0..visible.height {
            for column in 0..visible.width {
                let (x, y) = (place(column, visible.width), place(row, visible.height));
                let log = f64::from(gain.level) + f64::from(gain.slope_x) * x + f64::from(gain.slope_y) * y;
                let brighter = (colour(picture, spec, visible, (c, row, column)) * log.exp()).min(1.0);
                let at = (c * spec.size.rows + visible.y + row) * spec.size.columns + visible.x + column;
                picture[at] = ((brighter - mean) / std) as f32;
            }
        }
    }
}

/// The number that half of the weight lies below, of pairs of numbers and weights.
fn weighted_median(mut pairs: Vec<(f64, f64)>) -> f64 {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = 0.5 * pairs.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut below = 0.0;
    for (value, weight) in pairs {
        below += weight;
        if below >= half {
            return value;
        }
    }
    0.0
}

fn determinant([a, b, c]: [[f64; 3]; 3]) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// The plane of one colour: level and both slopes.
fn plane(cells: &[Cell], usual: &[Usual], colour: usize) -> [f64; 3] {
    let of_cell = |cell: usize| {
        let median = f64::from(usual[cell].median[colour]);
        let value = f64::from(cells[cell].colours[colour]).max(0.01).ln() - median;
        let spread = f64::from(usual[cell].deviation[colour]) + 0.01 + 0.01 / median.exp();
        let [x, y] = [place(cell % SIDE, SIDE), place(cell / SIDE, SIDE)];
        (value, spread, [1.0, x, y])
    };
    let of_cells: Vec<(f64, f64, [f64; 3])> = (0..CELLS).map(of_cell).collect();
    let firsts = of_cells.iter().map(|(value, spread, _)| (*value, spread.powi(-2)));
    let mut found = [weighted_median(firsts.collect()), 0.0, 0.0];
    for _ in 0..8 {
        let rest = |(value, spread, basis): &(f64, f64, [f64; 3])| {
            (value - (0..3).map(|i| found[i] * basis[i]).sum::<f64>()) / spread
        };
        let rests: Vec<f64> = of_cells.iter().map(rest).collect();
        let mut sorted: Vec<f64> = rests.iter().map(|rest| rest.abs()).collect();
        sorted.sort_by(f64::total_cmp);
        let scale = (1.4826 * sorted[CELLS / 2]).max(1.0);
        let (mut rows, mut sums) = ([[0.0; 3]; 3], [0.0; 3]);
        for ((value, spread, basis), rest) in of_cells.iter().zip(rests) {
            let share = (1.0 - (rest / (4.685 * scale)).powi(2)).max(0.0);
            let weight = (share / (spread * scale)).powi(2);
            for i in 0..3 {
                (0..3).for_each(|j| rows[i][j] += weight * basis[i] * basis[j]);
                sums[i] += weight * basis[i] * value;
            }
        }
        (0..3).for_each(|i| rows[i][i] += [1e-6, 1.0 / 0.09, 1.0 / 0.09][i]);
        // Cramer's rule.
        found = std::array::from_fn(|i| {
            let mut with = rows;
            (0..3).for_each(|row| with[row][i] = sums[row]);
            determinant(with) / determinant(rows)
        });
    }
    found
}

/// Planes, then gains.
pub(super) fn compare(cells: &[Cell], usual: &[Usual], range: &[f32]) -> Vec<f32> {
    let planes: Vec<[f64; 3]> = (0..COLOURS).map(|colour| plane(cells, usual, colour)).collect();
    let mut gains = [[0.0; 3]; COLOURS];
    for i in 0..3 {
        let [red, green, blue] = [planes[0][i], planes[1][i], planes[2][i]];
        let mean = (red + green + blue) / 3.0;
        let change = |number: f64, at: usize| {
            let [low, high] = [at, PLANES + at].map(|at| f64::from(range[at]));
            number.clamp(low, high) - number
        };
        let all = change(mean, 3 * i);
        let (reddish, bluish) = (change(red - mean, 3 * i + 1), change(blue - mean, 3 * i + 2));
        [gains[0][i], gains[1][i], gains[2][i]] = [all + reddish, all - reddish - bluish, all + bluish];
    }
    let is_far = |gain: &[f64; 3]| gain.iter().map(|v| v.abs()).sum::<f64>() >= 2.5_f64.ln();
    if gains.iter().any(is_far) {
        gains = [[0.0; 3]; COLOURS];
    }
    planes.iter().chain(&gains).flatten().map(|v| *v as f32).collect()
}
