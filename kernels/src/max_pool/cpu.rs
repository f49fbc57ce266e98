//! Lines of outputs over threads; cells are compared channel by channel.

use std::ops::Range;

use rayon::prelude::*;

use crate::grid::Grid;
use crate::simd::dispatch;
use crate::windows::Window;

pub(super) fn max_pool(x: &[f32], grid: Grid, c: usize, window: Window, y: &mut [f32]) {
    let columns = window.outputs(grid).columns;
    y.par_chunks_mut(columns * c).enumerate().for_each(|(r, y)| {
        dispatch(
            #[inline(always)]
            || {
                for (q, y) in y.chunks_exact_mut(c).enumerate() {
                    y.fill(f32::NEG_INFINITY);
                    for row in inside(r, window, grid.rows) {
                        for column in inside(q, window, grid.columns) {
                            let cell = &x[(row * grid.columns + column) * c..][..c];
                            y.iter_mut().zip(cell).for_each(|(y, x)| *y = y.max(*x));
                        }
                    }
                }
            },
        );
    });
}

/// Cells of a window that lie among `n`.
#[inline(always)]
fn inside(output: usize, window: Window, n: usize) -> Range<usize> {
    let first = output * window.step;
    first.saturating_sub(window.border)..(first + window.side).saturating_sub(window.border).min(n)
}
