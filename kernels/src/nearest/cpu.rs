//! Queries lie in panels, rows of the bank are broadcast against them: a vector lane is a query, and the best
//! candidates of sixteen queries are kept in vectors, without a branch in the common case that no lane improves.

use pulp::Simd;
use rayon::prelude::*;

use super::found::{Found, UNIT, exhaustive, rounding};
use super::{Filter, NONE, Rows};
use crate::math::{lane_sum, squared_distance};
use crate::simd::{dispatch, isa, mul_add};
use crate::threads::even_tasks;
use crate::tile::{MAX_COLS, Panels, Tiled, tile, tile_cols, tiled};

/// Candidates kept for each query before the order is settled: the four that may be asked for, and four more.
const CANDIDATES: usize = 8;

/// The most panels of one task: 256 queries of 512 channels are half a MiB, which stays in the second-level cache while
/// rows pass by.
const MAX_PANELS: usize = 8;

/// Tiles of rows that meet one panel before the next panel: narrow panels (16 KiB at 128 channels) stay in the first-level
/// cache meanwhile.
const TILES: usize = 8;

/// Packed queries and candidates of each task.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    tasks: Vec<Task>,
}

#[derive(Debug, Default)]
pub(super) struct Task {
    panels: Panels,
    best: Vec<Best>,
}

/// Candidates of the queries of one panel, by rank and then lane, nearest first.
#[derive(Debug, Clone, Copy)]
struct Best {
    scores: [[f32; MAX_COLS]; CANDIDATES],
    indices: [[u32; MAX_COLS]; CANDIDATES],
}

impl Best {
    const EMPTY: Self =
        Self { scores: [[f32::INFINITY; MAX_COLS]; CANDIDATES], indices: [[NONE; MAX_COLS]; CANDIDATES] };

    /// Puts a row where it belongs among the candidates of `lane`.
    fn insert(&mut self, lane: usize, score: f32, index: u32) {
        let mut place = CANDIDATES - 1;
        while place > 0 && self.scores[place - 1][lane] > score {
            self.scores[place][lane] = self.scores[place - 1][lane];
            self.indices[place][lane] = self.indices[place - 1][lane];
            place -= 1;
        }
        self.scores[place][lane] = score;
        self.indices[place][lane] = index;
    }
}

pub(super) fn squared_norms(data: &[f32], d: usize, norms: &mut [f32]) {
    norms.par_iter_mut().zip(data.par_chunks(d.max(1))).with_min_len(256).for_each(|(norm, row)| {
        *norm = dispatch(
            #[inline(always)]
            || lane_sum(row, |v| v * v),
        );
    });
}

pub(super) fn nearest(
    queries: &[f32],
    d: usize,
    rows: Rows<&[f32]>,
    filter: Filter<&[u32]>,
    k: usize,
    workspace: &mut Workspace,
    indices: &mut [u32],
    distances: &mut [f32],
) {
    if queries.is_empty() {
        return;
    }
    let m = queries.len() / d;
    let cols = tile_cols(isa());
    let block = even_tasks(m.div_ceil(cols), MAX_PANELS * MAX_COLS / cols) * cols;
    // Never fewer: calls for few and for many queries may share a workspace.
    workspace.tasks.resize_with(m.div_ceil(block).max(workspace.tasks.len()), Task::default);
    workspace
        .tasks
        .par_iter_mut()
        .zip(queries.par_chunks(block * d))
        .zip(indices.par_chunks_mut(block * k).zip(distances.par_chunks_mut(block * k)))
        .enumerate()
        .for_each(|(b, ((task, queries), (indices, distances)))| {
            task.run(queries, d, rows, filter.of_queries_from(b * block), k, indices, distances);
        });
}

impl Task {
    /// Makes room for n queries.
    pub(super) fn reserve(&mut self, d: usize, n: usize) {
        self.panels.pack(d, n, |_, _| 0.0);
        self.best.reserve(self.panels.panels().len());
    }

    pub(super) fn run(
        &mut self,
        queries: &[f32],
        d: usize,
        rows: Rows<&[f32]>,
        filter: Filter<&[u32]>,
        k: usize,
        indices: &mut [u32],
        distances: &mut [f32],
    ) {
        self.search(queries, d, rows, filter);
        self.settle(queries, d, rows, filter, k, indices, distances);
    }

    fn search(&mut self, queries: &[f32], d: usize, rows: Rows<&[f32]>, filter: Filter<&[u32]>) {
        let n = queries.len() / d;
        self.panels.pack(d, n, |i, q| queries[q * d + i]);
        self.best.clear();
        self.best.resize(self.panels.panels().len(), Best::EMPTY);
        tiled(self.panels.isa(), Search { panels: &self.panels, best: &mut self.best, d, rows, filter });
    }

    /// Measures the candidates of each query and writes the first `k`; measures all rows where another might be among them.
    ///
    /// A score is that of real numbers, |b|^2 - 2 q.b, but for the rounding of sums of d products, at most
    /// (d + 8) 2^-24 (|b|^2 + 2 |q| |b|). What is no candidate has at least the score of the last, and so at least that
    /// distance less what rounding may have added to it.
    fn settle(
        &self,
        queries: &[f32],
        d: usize,
        rows: Rows<&[f32]>,
        filter: Filter<&[u32]>,
        k: usize,
        indices: &mut [u32],
        distances: &mut [f32],
    ) {
        let cols = tile_cols(isa());
        let longest = rows.norms.iter().fold(0.0_f32, |most, norm| if *norm > most { *norm } else { most });
        let all_finite = rows.norms.iter().all(|norm| norm.is_finite());
        let longest = f64::from(longest);
        let part = (d + 8) as f64 * 1.01 * UNIT;
        let outputs = indices.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
        for ((q, query), (indices, distances)) in queries.chunks_exact(d).enumerate().zip(outputs) {
            let best = &self.best[q / cols];
            let mut found = Found::new(k);
            let square = dispatch(
                #[inline(always)]
                || {
                    for rank in 0..CANDIDATES {
                        let index = best.indices[rank][q % cols];
                        if index != NONE {
                            found
                                .offer(squared_distance(query, &rows.data[index as usize * d..][..d]), index);
                        }
                    }
                    lane_sum(query, |v| v * v)
                },
            );
            let square = f64::from(square);
            let last = best.scores[CANDIDATES - 1][q % cols];
            let error = part * (longest + 2.0 * (square * longest).sqrt()) + 1e-35;
            let least = (f64::from(last) - error + square * (1.0 - part)) * (1.0 - 2.0 * rounding(d));
            // Without a last candidate all rows that may match are candidates, if no score overflowed.
            let no_overflow = all_finite && longest + square < f64::from(f32::MAX) / 8.0;
            let is_number = !square.is_nan();
            if is_number && !(no_overflow && (last == f32::INFINITY || least > f64::from(found.worst()))) {
                found = exhaustive(query, q, rows, filter, k);
            }
            found.write(indices, distances);
        }
    }
}

struct Search<'a> {
    panels: &'a Panels,
    best: &'a mut [Best],
    d: usize,
    rows: Rows<&'a [f32]>,
    filter: Filter<&'a [u32]>,
}

impl Tiled for Search<'_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize>(self, simd: S) {
        let Self { panels, best, d, rows, filter } = self;
        let t = rows.norms.len();
        let minus_two = simd.splat_f32s(-2.0);
        for chunk in (0..t).step_by(TILES * MR) {
            for (p, (panel, best)) in panels.panels().zip(best.iter_mut()).enumerate() {
                for first in (chunk..t.min(chunk + TILES * MR)).step_by(MR) {
                    let used = MR.min(t - first);
                    let block = std::array::from_fn(|i| &rows.data[(first + i).min(t - 1) * d..][..d]);
                    let dots = tile::<S, MR>(simd, block, panel);
                    for (i, dots) in dots.iter().enumerate().take(used) {
                        let norm = simd.splat_f32s(rows.norms[first + i]);
                        let scores = dots.map(|dot| mul_add(simd, dot, minus_two, norm));
                        offer(simd, best, scores, first + i, p, panels.n(), filter);
                    }
                }
            }
        }
    }
}

/// Offers one row to all queries of a panel.
#[inline(always)]
fn offer<S: Simd>(
    simd: S,
    best: &mut Best,
    scores: [S::f32s; 2],
    row: usize,
    panel: usize,
    n_queries: usize,
    filter: Filter<&[u32]>,
) {
    let worst = S::as_simd_f32s(&best.scores[CANDIDATES - 1]).0;
    let better = [0, 1].map(|v| simd.first_true_m32s(simd.less_than_f32s(scores[v], worst[v])));
    if better == [S::F32_LANES; 2] {
        return;
    }
    let mut line = [0.0_f32; MAX_COLS];
    S::as_mut_simd_f32s(&mut line).0[..2].copy_from_slice(&scores);
    let first_query = panel * 2 * S::F32_LANES;
    let lanes = (2 * S::F32_LANES).min(n_queries - first_query);
    for (lane, score) in line.iter().enumerate().take(lanes) {
        if *score < best.scores[CANDIDATES - 1][lane] && !filter.excludes(first_query + lane, row) {
            best.insert(lane, *score, row as u32);
        }
    }
}
