//! Lines of a patch are copied whole; rows over threads.

use rayon::prelude::*;

use crate::grid::Grid;
use crate::threads::rows_per_task;

pub(super) fn patches(image: &[f32], size: Grid, p: usize, rows: &mut [f32]) {
    if image.is_empty() {
        return;
    }
    let (across, n) = (size.columns / p, size.cells() / (p * p));
    let row_len = image.len() / n;
    let block = rows_per_task(n, 256);
    rows.par_chunks_mut(block * row_len).enumerate().for_each(|(task, rows)| {
        for (i, row) in (task * block..).zip(rows.chunks_exact_mut(row_len)) {
            let (top, left) = (i / across * p, i % across * p);
            for (line, out) in row.chunks_exact_mut(p).enumerate() {
                let from = line / p * size.cells() + (top + line % p) * size.columns + left;
                out.copy_from_slice(&image[from..from + p]);
            }
        }
    });
}

pub(super) fn merge(cells: &[f32], grid: Grid, c: usize, rows: &mut [f32]) {
    if cells.is_empty() {
        return;
    }
    let across = grid.columns / 2;
    let block = rows_per_task(grid.cells() / 2, 512);
    rows.par_chunks_mut(block * 2 * c).enumerate().for_each(|(task, rows)| {
        for (i, out) in (task * block..).zip(rows.chunks_exact_mut(2 * c)) {
            let (cell, line) = (i / 2, i % 2);
            let from = (cell / across * 2 + line) * grid.columns + cell % across * 2;
            out.copy_from_slice(&cells[from * c..(from + 2) * c]);
        }
    });
}
