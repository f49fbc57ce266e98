//! Lines of windows over threads; the cells of a line of a window lie together and are copied whole.

use rayon::prelude::*;

use super::Window;
use crate::grid::Grid;

pub(super) fn windows(x: &[f32], grid: Grid, c: usize, window: Window, y: &mut [f32]) {
    let Window { side, step, border } = window;
    let (columns, line) = (window.outputs(grid).columns, side * c);
    y.par_chunks_mut(columns * side * line).enumerate().for_each(|(r, y)| {
        for (q, y) in y.chunks_exact_mut(side * line).enumerate() {
            // Cells of a line of the window that lie inside the map.
            let first = (q * step).saturating_sub(border);
            let skipped = border.saturating_sub(q * step).min(side);
            let n = (side - skipped).min(grid.columns.saturating_sub(first));
            for (i, out) in y.chunks_exact_mut(line).enumerate() {
                out.fill(0.0);
                let at = r * step + i;
                if (border..grid.rows + border).contains(&at) {
                    let from = ((at - border) * grid.columns + first) * c;
                    out[skipped * c..(skipped + n) * c].copy_from_slice(&x[from..from + n * c]);
                }
            }
        }
    });
}
