//! A product for each of the nine taps, added up in registers. In f32 it reads cells where they lie: in maps that are copied once
//! with a border of zeros, where the three cells of a row of taps lie side by side unless they are spread. Other precisions
//! round whole rows, for which nine cells are laid side by side first.

use pulp::Simd;
use rayon::prelude::*;

use super::{Kernel, SIDE, TAPS, Then};
use crate::aligned::Aligned;
use crate::grid::Grid;
use crate::threads::rows_per_task;
use crate::tile::{MAX_COLS, Precision, RowBlock, Sink, Tiled, add_tile, hand_on, multiply, tiled};

/// Outputs of one task.
const MAX_TASK: usize = 1024;

/// Outputs that meet all taps at a time: whole tiles of any level; their cells, laid out, are 221 KiB with 128 channels.
const BLOCK: usize = 48;

/// Maps with their borders, and cells laid out in rows for each task.
#[derive(Debug, Default)]
pub struct Workspace {
    bordered: Aligned,
    tasks: Vec<Aligned>,
}

pub(super) fn conv3x3(
    x: &[f32],
    grid: Grid,
    kernel: &Kernel,
    dilation: usize,
    then: Then,
    workspace: &mut Workspace,
    y: &mut [f32],
) {
    if x.is_empty() || y.is_empty() {
        return;
    }
    let (c, c_out, panels) = (kernel.c_in, kernel.c_out(), &kernel.panels);
    let per_task = rows_per_task(y.len() / c_out, MAX_TASK);
    let Workspace { bordered, tasks } = workspace;
    if panels.precision() == Precision::F32 {
        let maps = Maps::with_borders(x, grid, c, dilation, bordered);
        y.par_chunks_mut(per_task * c_out).enumerate().for_each(|(task, y)| {
            for (block, y) in y.chunks_mut(BLOCK * c_out).enumerate() {
                let first = task * per_task + block * BLOCK;
                tiled(panels.isa(), Convolve { maps, first, kernel, finish: Finish { y, kernel, then } });
            }
        });
        return;
    }
    // Never fewer: calls for few and for many maps may share a workspace.
    let n_tasks = (y.len() / c_out).div_ceil(per_task).max(tasks.len());
    tasks.resize_with(n_tasks, Aligned::default);
    let tasks = y.par_chunks_mut(per_task * c_out).zip(tasks).enumerate();
    tasks.for_each(|(task, (y, laid))| {
        let stride = TAPS * c;
        laid.resize(BLOCK * stride);
        for (block, y) in y.chunks_mut(BLOCK * c_out).enumerate() {
            let (first, n_rows) = (task * per_task + block * BLOCK, y.len() / c_out);
            for (row, cells) in laid.chunks_exact_mut(stride).take(n_rows).enumerate() {
                lay(x, grid, first + row, c, dilation, |tap, cell| match cell {
                    Some(cell) => cells[tap * c..][..c].copy_from_slice(cell),
                    None => cells[tap * c..][..c].fill(0.0),
                });
            }
            multiply(&RowBlock { data: laid, stride, n_rows }, panels, &mut Finish { y, kernel, then });
        }
    });
}

/// Maps with a border of zeros as wide as the taps are spread.
#[derive(Clone, Copy)]
struct Maps<'a> {
    data: &'a [f32],
    grid: Grid,
    c: usize,
    dilation: usize,
}

impl<'a> Maps<'a> {
    fn with_borders(x: &[f32], grid: Grid, c: usize, dilation: usize, into: &'a mut Aligned) -> Self {
        let (rows, columns) = (grid.rows + 2 * dilation, grid.columns + 2 * dilation);
        into.resize(x.len() / (grid.cells() * c) * rows * columns * c);
        into.par_chunks_mut(columns * c).enumerate().for_each(|(at, line)| {
            let (map, row) = (at / rows, at % rows);
            if row < dilation || row >= grid.rows + dilation {
                line.fill(0.0);
                return;
            }
            let (left, rest) = line.split_at_mut(dilation * c);
            let (middle, right) = rest.split_at_mut(grid.columns * c);
            left.fill(0.0);
            middle.copy_from_slice(&x[(map * grid.rows + row - dilation) * middle.len()..][..middle.len()]);
            right.fill(0.0);
        });
        Self { data: into, grid, c, dilation }
    }

    /// Elements of a row of cells.
    fn row(&self) -> usize {
        (self.grid.columns + 2 * self.dilation) * self.c
    }

    /// Where the first tap of an output finds its cell.
    fn first(&self, output: usize) -> usize {
        let (line, column) = (output / self.grid.columns, output % self.grid.columns);
        let above = line / self.grid.rows * 2 * self.dilation;
        (line + above) * self.row() + column * self.c
    }

    /// How much farther another tap finds its own.
    fn after(&self, tap: usize) -> usize {
        self.dilation * (tap / SIDE * self.row() + tap % SIDE * self.c)
    }
}

/// Some outputs, from number `first` on.
struct Convolve<'a> {
    maps: Maps<'a>,
    first: usize,
    kernel: &'a Kernel,
    finish: Finish<'a>,
}

impl Tiled for Convolve<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize>(self, simd: S) {
        let Self { maps, first, kernel, mut finish } = self;
        let (cols, c_out) = (2 * S::F32_LANES, kernel.c_out());
        let n_rows = finish.y.len() / c_out;
        // Taps whose cells lie side by side.
        let taps = if maps.dilation == 1 { SIDE } else { 1 };
        let len = taps * maps.c;
        let mut line = [0.0; MAX_COLS];
        let mut firsts = [0; BLOCK];
        firsts.iter_mut().enumerate().take(n_rows).for_each(|(i, at)| *at = maps.first(first + i));
        for (p, panel) in kernel.panels.panels().enumerate() {
            let (col, cols_used) = (p * cols, cols.min(c_out - p * cols));
            for row in (0..n_rows).step_by(MR) {
                // The last tile may be short: its missing rows repeat the last one and are not handed on.
                let own: [usize; MR] = std::array::from_fn(|i| firsts[(row + i).min(n_rows - 1)]);
                let mut sums = [[simd.splat_f32s(0.0); 2]; MR];
                for (i, steps) in panel.chunks_exact(len * cols).enumerate() {
                    let after = maps.after(i * taps);
                    let cells: [&[f32]; MR] = std::array::from_fn(|i| &maps.data[own[i] + after..][..len]);
                    sums = add_tile(simd, sums, cells, steps);
                }
                for (i, sum) in sums.iter().enumerate().take(n_rows - row) {
                    hand_on(simd, sum, row + i, col, cols_used, &mut line, &mut finish);
                }
            }
        }
    }
}

/// Hands each of the nine cells around an output to `put`, with its tap; nothing where there is none.
#[inline(always)]
pub(super) fn lay(
    x: &[f32],
    Grid { rows, columns }: Grid,
    output: usize,
    c: usize,
    dilation: usize,
    mut put: impl FnMut(usize, Option<&[f32]>),
) {
    let (line, col) = (output / columns, output % columns);
    let (row, first_line) = (line % rows, line - line % rows);
    for tap in 0..TAPS {
        // Both are too large by `dilation`, so that they never fall below zero.
        let (r, q) = (row + tap / SIDE * dilation, col + tap % SIDE * dilation);
        if r < dilation || q < dilation || r >= rows + dilation || q >= columns + dilation {
            put(tap, None);
        } else {
            let from = (first_line + r - dilation) * columns + q - dilation;
            put(tap, Some(&x[from * c..][..c]));
        }
    }
}

/// Adds the bias to sums, and what follows.
struct Finish<'a> {
    y: &'a mut [f32],
    kernel: &'a Kernel,
    then: Then,
}

impl Sink for Finish<'_> {
    #[inline(always)]
    fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
        let bias = &self.kernel.bias;
        let y = &mut self.y[row * bias.len() + col..][..sums.len()];
        let own = y.iter_mut().zip(sums).zip(&bias[col..]);
        match self.then {
            Then::Store => own.for_each(|((y, sum), bias)| *y = sum + bias),
            Then::Relu => own.for_each(|((y, sum), bias)| *y = (sum + bias).max(0.0)),
        }
    }
}
