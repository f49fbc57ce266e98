//! Element by element.

use super::Window;
use crate::grid::Grid;

/// The value of a cell, which may lie in the border.
pub(crate) fn cell(
    x: &[f32],
    grid: Grid,
    c: usize,
    [row, column]: [isize; 2],
    channel: usize,
) -> Option<f32> {
    let inside = |at: isize, n: usize| (0..n as isize).contains(&at);
    let is_inside = inside(row, grid.rows) && inside(column, grid.columns);
    is_inside.then(|| x[(row as usize * grid.columns + column as usize) * c + channel])
}

pub(super) fn windows(x: &[f32], grid: Grid, c: usize, window: Window, y: &mut [f32]) {
    let Window { side, step, border } = window;
    let columns = window.outputs(grid).columns;
    for (i, y) in y.iter_mut().enumerate() {
        let (channel, j, line) = (i % c, i / c % side, i / c / side % side);
        let output = i / c / side / side;
        let at = |output: usize, tap: usize| (output * step + tap) as isize - border as isize;
        let place = [at(output / columns, line), at(output % columns, j)];
        *y = cell(x, grid, c, place, channel).unwrap_or(0.0);
    }
}
