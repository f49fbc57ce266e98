//! Lines of a patch are copied whole; rows over threads.

use rayon::prelude::*;

use crate::threads::rows_per_task;

pub(super) fn patches(image: &[f32], side: usize, p: usize, rows: &mut [f32]) {
    if image.is_empty() {
        return;
    }
    let (n, plane) = (side / p, side * side);
    let row_len = image.len() / (n * n);
    let block = rows_per_task(n * n, 256);
    rows.par_chunks_mut(block * row_len).enumerate().for_each(|(task, rows)| {
        for (i, row) in (task * block..).zip(rows.chunks_exact_mut(row_len)) {
            let (top, left) = (i / n * p, i % n * p);
            for (line, out) in row.chunks_exact_mut(p).enumerate() {
                let from = line / p * plane + (top + line % p) * side + left;
                out.copy_from_slice(&image[from..from + p]);
            }
        }
    });
}

pub(super) fn merge(cells: &[f32], side: usize, c: usize, rows: &mut [f32]) {
    if cells.is_empty() {
        return;
    }
    let half = side / 2;
    let block = rows_per_task(2 * half * half, 512);
    rows.par_chunks_mut(block * 2 * c).enumerate().for_each(|(task, rows)| {
        for (i, out) in (task * block..).zip(rows.chunks_exact_mut(2 * c)) {
            let (cell, line) = (i / 2, i % 2);
            let from = (cell / half * 2 + line) * side + cell % half * 2;
            out.copy_from_slice(&cells[from * c..(from + 2) * c]);
        }
    });
}
