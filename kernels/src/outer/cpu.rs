//! Stretches of rows over threads, each with sums of its own; within one, a block of rows of A is transposed, so that
//! the rows become the inner dimension of a product that the register tile can do.

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::threads::add_parts;
use crate::tile::{Panels, RowBlock, Sink, multiply};

/// Rows of a block: the inner dimension of one product.
const BLOCK: usize = 256;

/// Elements between rows of a transposed block: no multiple of the cache's line sets, so that neighbours do not push each
/// other out.
const STRIDE: usize = BLOCK + 16;

/// Lays one row of A down a column of a transposed block.
#[inline(always)]
pub(crate) fn turn(row: &[f32], turned: &mut [f32], stride: usize) {
    for (i, v) in row.iter().enumerate() {
        turned[i * stride] = *v;
    }
}

/// Sums the outer products of `rows` rows: `lay` writes row number `row` of A, `m` elements, into a column of a transposed
/// block, which starts at the slice it is given and has elements `stride` apart.
pub(crate) fn sum(
    rows: usize,
    m: usize,
    lay: &(dyn Fn(usize, &mut [f32], usize) + Sync),
    b: &[f32],
    n: usize,
    y: &mut [f32],
) {
    let tasks = rayon::current_num_threads().min(rows.div_ceil(BLOCK)).max(1);
    let per_task = rows.div_ceil(tasks);
    let mut parts = vec![0.0; tasks * m * n];
    parts.par_chunks_mut(m * n).enumerate().for_each(|(task, part)| {
        let (mut turned, mut panels) = (Aligned::default(), Panels::default());
        turned.resize(m * STRIDE);
        let end = ((task + 1) * per_task).min(rows);
        for first in (task * per_task..end).step_by(BLOCK) {
            let k = BLOCK.min(end - first);
            for i in 0..k {
                lay(first + i, &mut turned[i..], STRIDE);
            }
            panels.pack_rows(&b[first * n..][..k * n], k, n);
            let block = RowBlock { data: &turned, stride: STRIDE, n_rows: m };
            multiply(&block, &panels, &mut AddTo { y: part, n });
        }
    });
    add_parts(&parts, y);
}

struct AddTo<'a> {
    y: &'a mut [f32],
    n: usize,
}

impl Sink for AddTo<'_> {
    #[inline(always)]
    fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
        let y = &mut self.y[row * self.n + col..][..sums.len()];
        y.iter_mut().zip(sums).for_each(|(y, sum)| *y += sum);
    }
}
