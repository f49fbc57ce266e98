//! Element by element.

use crate::grid::Grid;
use crate::windows::Window;
use crate::windows::reference::cell;

pub(super) fn max_pool(x: &[f32], grid: Grid, c: usize, window: Window, y: &mut [f32]) {
    let columns = window.outputs(grid).columns;
    for (i, y) in y.iter_mut().enumerate() {
        let (channel, output) = (i % c, i / c);
        let at = |output: usize, tap: usize| (output * window.step + tap) as isize - window.border as isize;
        let taps = 0..window.side * window.side;
        let values = taps.filter_map(|tap| {
            let place = [at(output / columns, tap / window.side), at(output % columns, tap % window.side)];
            cell(x, grid, c, place, channel)
        });
        *y = values.fold(f32::NEG_INFINITY, f32::max);
    }
}
