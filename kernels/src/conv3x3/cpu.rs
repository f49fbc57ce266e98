//! The nine cells that an output looks at are laid in one row, and rows are multiplied with the packed taps. Copying
//! is one in as many of the work as there are output channels; a task lays only as many rows at a time as its cache holds.

use rayon::prelude::*;

use super::{Kernel, SIDE, TAPS, Then};
use crate::aligned::Aligned;
use crate::grid::Grid;
use crate::threads::rows_per_task;
use crate::tile::{RowBlock, Sink, multiply};

/// Outputs of one task.
const MAX_TASK: usize = 1024;

/// Outputs whose cells are laid out at a time: whole tiles of any level; with 128 channels 221 KiB.
const BLOCK: usize = 48;

/// Cells laid out in rows, for each task.
#[derive(Debug, Default)]
pub struct Workspace {
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
    let c_out = kernel.c_out();
    let per_task = rows_per_task(y.len() / c_out, MAX_TASK);
    // Never fewer: calls for few and for many maps may share a workspace.
    let tasks = (y.len() / c_out).div_ceil(per_task).max(workspace.tasks.len());
    workspace.tasks.resize_with(tasks, Aligned::default);
    let tasks = y.par_chunks_mut(per_task * c_out).zip(&mut workspace.tasks).enumerate();
    tasks.for_each(|(task, (y, laid))| {
        laid.resize(BLOCK * TAPS * kernel.c_in);
        for (block, y) in y.chunks_mut(BLOCK * c_out).enumerate() {
            let (first, n_rows) = (task * per_task + block * BLOCK, y.len() / c_out);
            let stride = TAPS * kernel.c_in;
            for (row, cells) in laid.chunks_exact_mut(stride).take(n_rows).enumerate() {
                let c = kernel.c_in;
                lay(x, grid, first + row, c, dilation, |tap, cell| match cell {
                    Some(cell) => cells[tap * c..][..c].copy_from_slice(cell),
                    None => cells[tap * c..][..c].fill(0.0),
                });
            }
            let a = RowBlock { data: laid, stride, n_rows };
            match then {
                Then::Store => multiply(&a, &kernel.panels, &mut Store { y, bias: &kernel.bias }),
                Then::Relu => multiply(&a, &kernel.panels, &mut Relu { y, bias: &kernel.bias }),
            }
        }
    });
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

macro_rules! sink {
    ($name:ident, |$value:ident| $body:expr) => {
        struct $name<'a> {
            y: &'a mut [f32],
            bias: &'a [f32],
        }

        impl Sink for $name<'_> {
            #[inline(always)]
            fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
                let y = &mut self.y[row * self.bias.len() + col..][..sums.len()];
                for ((y, sum), bias) in y.iter_mut().zip(sums).zip(&self.bias[col..]) {
                    let $value = sum + bias;
                    *y = $body;
                }
            }
        }
    };
}

sink!(Store, |value| value);
sink!(Relu, |value| value.max(0.0));
