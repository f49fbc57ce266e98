//! Row blocks over threads, each through all layers.

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::layer_norm::cpu::row;
use crate::linear::Then;
use crate::linear::cpu::rows_of;
use crate::simd::dispatch;
use crate::threads::rows_per_task;
use crate::tile::Panels;

/// Elements of the widest layer of a task: 256 KiB, half of a second-level cache.
const HIDDEN: usize = 64 << 10;

/// The most rows of a task, and the least that are worth the way of the weights.
const ROWS: [usize; 2] = [192, 48];

/// What lies between the layers for the rows of a task.
#[derive(Debug, Default)]
pub(super) struct Task {
    normed: Aligned,
    hidden: Aligned,
}

/// The norm before the layers.
#[derive(Clone, Copy)]
pub(super) struct Norm<'a> {
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) eps: f32,
}

pub(super) fn mlp(
    x: &[f32],
    norm: Norm<'_>,
    up: (&Panels, &[f32]),
    down: (&Panels, &[f32]),
    tasks: &mut Vec<Task>,
    y: &mut [f32],
) {
    let (d, h) = (norm.weight.len(), up.0.n());
    if x.is_empty() {
        return;
    }
    let [most, least] = ROWS;
    let block = rows_per_task(x.len() / d, (HIDDEN / h.max(1)).clamp(least, most));
    // Never fewer: layers of several sizes share a workspace.
    tasks.resize_with((x.len() / d).div_ceil(block).max(tasks.len()), Task::default);
    y.par_chunks_mut(block * d).zip(x.par_chunks(block * d)).zip(tasks).for_each(|((y, x), task)| {
        let Task { normed, hidden } = task;
        normed.resize(x.len());
        hidden.resize(x.len() / d * h);
        dispatch(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(d).zip(normed.chunks_exact_mut(d)) {
                    row(x, norm.weight, norm.bias, norm.eps, y);
                }
            },
        );
        rows_of(normed, up.0, up.1, Then::Gelu, hidden);
        rows_of(hidden, down.0, down.1, Then::Add, y);
    });
}
