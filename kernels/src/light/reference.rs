//! The formulas in f64, pixel by pixel.

use super::{COLOURS, Cell, Gain, LUMA, SIDE, cpu::STEP, span};
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

pub(super) fn relight(
    picture: &mut [f32],
    spec: &PreprocessSpec,
    visible: PixelRect,
    gains: &[Gain; COLOURS],
) {
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
