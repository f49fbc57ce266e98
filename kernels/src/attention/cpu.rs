//! Keys and values of every head are packed once; each task then takes a block of queries through all heads, its
//! scores staying in the second-level cache.

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::math::{exp, lane_sum};
use crate::simd::dispatch;
use crate::threads::rows_per_task;
use crate::tile::{Panels, RowBlock, Sink, multiply};

/// Queries of one task: 48 rows of 800 scores are 150 KiB.
const MAX_BLOCK: usize = 48;

/// Packed keys and values, and each task's scores.
#[derive(Debug, Default)]
pub struct Workspace {
    heads: Vec<Head>,
    tasks: Vec<Task>,
}

#[derive(Debug, Default)]
struct Head {
    keys: Panels,
    values: Panels,
}

#[derive(Debug, Default)]
struct Task {
    scores: Aligned,
    scales: Vec<f32>,
}

pub(super) fn attention(qkv: &[f32], n: usize, heads: usize, workspace: &mut Workspace, y: &mut [f32]) {
    if qkv.is_empty() {
        return;
    }
    let dim = qkv.len() / n / 3;
    let d = dim / heads;
    // Never fewer: blocks of more and of fewer heads, rows, too, may share a workspace.
    workspace.heads.resize_with(heads.max(workspace.heads.len()), Head::default);
    workspace.heads[..heads].par_iter_mut().enumerate().for_each(|(head, packed)| {
        let (k, v) = (&qkv[dim + head * d..], &qkv[2 * dim + head * d..]);
        packed.keys.pack(d, n, |i, row| k[row * 3 * dim + i]);
        packed.values.pack(n, d, |row, i| v[row * 3 * dim + i]);
    });

    let block = rows_per_task(n, MAX_BLOCK);
    workspace.tasks.resize_with(n.div_ceil(block).max(workspace.tasks.len()), Task::default);
    let heads = &workspace.heads[..heads];
    y.par_chunks_mut(block * dim)
        .zip(qkv.par_chunks(block * 3 * dim))
        .zip(workspace.tasks.par_iter_mut())
        .for_each(|((y, qkv), task)| {
            let rows = y.len() / dim;
            task.scores.resize(rows * n);
            task.scales.resize(rows, 0.0);
            for (head, packed) in heads.iter().enumerate() {
                let q = RowBlock { data: &qkv[head * d..], stride: 3 * dim, n_rows: rows };
                multiply(&q, &packed.keys, &mut Scores { scores: &mut task.scores, n });
                softmax(&mut task.scores, n, 1.0 / (d as f32).sqrt(), &mut task.scales);
                let p = RowBlock { data: &task.scores, stride: n, n_rows: rows };
                let out = &mut y[head * d..];
                multiply(&p, &packed.values, &mut Output { out, stride: dim, scales: &task.scales });
            }
        });
}

/// Turns each row of scores into exp(scale * (score - max)); `sums` receives one over each row's sum.
fn softmax(scores: &mut [f32], n: usize, scale: f32, sums: &mut [f32]) {
    dispatch(
        #[inline(always)]
        || {
            for (row, sum) in scores.chunks_exact_mut(n).zip(sums) {
                let max = lane_max(row);
                for score in row.iter_mut() {
                    *score = exp((*score - max) * scale);
                }
                *sum = 1.0 / lane_sum(row, |v| v);
            }
        },
    );
}

#[inline(always)]
fn lane_max(row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

struct Scores<'a> {
    scores: &'a mut [f32],
    n: usize,
}

impl Sink for Scores<'_> {
    #[inline(always)]
    fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
        self.scores[row * self.n + col..][..sums.len()].copy_from_slice(sums);
    }
}

struct Output<'a> {
    out: &'a mut [f32],
    stride: usize,
    scales: &'a [f32],
}

impl Sink for Output<'_> {
    #[inline(always)]
    fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
        let out = &mut self.out[row * self.stride + col..][..sums.len()];
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum * self.scales[row];
        }
    }
}
