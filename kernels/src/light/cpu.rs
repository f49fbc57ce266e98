//! Sums of a row's part in f32, of parts in f64. A gain is that of the first column of a block,
//! times a step.

use std::array::from_fn;
use std::ops::Range;

use rayon::prelude::*;

use super::{COLOURS, Cell, Gain, LUMA, SIDE, place, span};
use crate::preprocess::{PixelRect, PreprocessSpec};
use crate::simd::dispatch;

/// Each so many-th row of a cell is measured.
pub(super) const STEP: usize = 4;

const LANES: usize = 8;

/// Columns whose gains are steps from the first one's.
const BLOCK: usize = 64;

fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (whole, rest) = values.as_chunks::<LANES>();
    whole.iter().for_each(|values| (0..LANES).for_each(|lane| lanes[lane] += values[lane]));
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// Sum of the absolute differences of weighted sums of three rows between neighbours.
fn differences(rows: [&[f32]; COLOURS], weights: [f32; COLOURS]) -> f32 {
    let [r, g, b] = rows;
    let n = r.len().saturating_sub(1);
    let mut lanes = [0.0_f32; LANES];
    let difference = |i: usize| {
        (weights[0] * (r[i + 1] - r[i]) + weights[1] * (g[i + 1] - g[i]) + weights[2] * (b[i + 1] - b[i]))
            .abs()
    };
    for start in (0..n / LANES).map(|block| block * LANES) {
        (0..LANES).for_each(|lane| lanes[lane] += difference(start + lane));
    }
    lanes.iter().sum::<f32>() + (n / LANES * LANES..n).map(difference).sum::<f32>()
}

pub(super) fn cells(picture: &[f32], spec: &PreprocessSpec, visible: PixelRect) -> [Cell; SIDE * SIDE] {
    let weights = from_fn(|colour| LUMA[colour] * spec.std[colour]);
    let mut cells = [Cell::default(); SIDE * SIDE];
    cells.par_chunks_mut(SIDE).enumerate().for_each(|(down, cells)| {
        let rows = span(down, visible.height).step_by(STEP);
        let line = |colour: usize, row: usize, part: &Range<usize>| {
            let start = (colour * spec.size.rows + visible.y + row) * spec.size.columns + visible.x;
            &picture[start + part.start..start + part.end]
        };
        dispatch(
            #[inline(always)]
            || {
                for (across, cell) in cells.iter_mut().enumerate() {
                    let part = span(across, visible.width);
                    let (mut sums, mut detail) = ([0.0_f64; COLOURS], 0.0_f64);
                    for row in rows.clone() {
                        let lines = from_fn(|colour| line(colour, row, &part));
                        detail += f64::from(differences(lines, weights));
                        (0..COLOURS).for_each(|colour| sums[colour] += f64::from(sum(lines[colour])));
                    }
                    let count = (rows.len() * part.len()) as f64;
                    let pairs = (rows.len() * (part.len() - 1)).max(1) as f64;
                    cell.detail = (detail / pairs) as f32;
                    cell.colours = from_fn(|colour| {
                        (sums[colour] / count) as f32 * spec.std[colour] + spec.mean[colour]
                    });
                }
            },
        );
    });
    cells
}

pub(super) fn relight(picture: &mut [f32], spec: &PreprocessSpec, visible: PixelRect, gains: &[Gain]) {
    let (columns, rows) = (spec.size.columns, spec.size.rows);
    picture.par_chunks_mut(columns).enumerate().for_each(|(at, line)| {
        let (colour, row) = (at / rows, at % rows);
        if !(visible.y..visible.y + visible.height).contains(&row) {
            return;
        }
        let (gain, y) = (gains[colour], place(row - visible.y, visible.height));
        let of_row = gain.level + gain.slope_y * y;
        let (mean, std) = (spec.mean[colour], spec.std[colour]);
        let (share, most) = (1.0 / std, (1.0 - mean) / std);
        // From a column to the i-th after it.
        let steps: [f32; BLOCK] = from_fn(|i| (gain.slope_x * 2.0 * i as f32 / visible.width as f32).exp());
        let line = &mut line[visible.x..visible.x + visible.width];
        dispatch(
            #[inline(always)]
            || {
                for (block, values) in line.chunks_mut(BLOCK).enumerate() {
                    let first = (of_row + gain.slope_x * place(block * BLOCK, visible.width)).exp();
                    for (v, step) in values.iter_mut().zip(&steps) {
                        *v = (((*v * std + mean) * (first * step) - mean) * share).min(most);
                    }
                }
            },
        );
    });
}
