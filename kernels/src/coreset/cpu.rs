//! The greedy search made lazy, with the same picks.
//!
//! Plain search updates the score of every point after every pick: n * count distances. But scores only fall, so an
//! old score is an upper bound, and a point whose bound lies below the best current score need not be looked at. The
//! points therefore wait in a heap by their bounds. The best few are brought up to date together (against all picks
//! they have not seen yet, each stopping as soon as its bound drops below what the heap still holds); when the best
//! bound is up to date, that point is the pick. A score of zero is up to date for ever: points that are there twice, such
//! as those of flat areas, cost nothing more.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use crate::math::squared_distance;
use crate::simd::dispatch;

/// Points brought up to date together: enough to keep all threads busy.
const BATCH: usize = 64;

/// Distances from which threads pay: handing out less takes longer than computing it, the more so on a busy machine.
const PARALLEL: usize = 2048;

/// Picks between two reports of progress.
const REPORT: usize = 64;

/// A point and its score against the first `seen` picks.
#[derive(Debug, Clone, Copy)]
struct Bound {
    score: f32,
    index: u32,
    seen: u32,
}

impl Bound {
    /// Whether none of `picks` picks can lower the score.
    fn is_current(&self, picks: usize) -> bool {
        self.seen as usize == picks || self.score == 0.0
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Bound {}

pub(super) fn greedy(
    points: &[f32],
    d: usize,
    starts: &[usize],
    count: usize,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Vec<u32> {
    let mut picks: Vec<u32> = Vec::with_capacity(count);
    let mut picked: Vec<f32> = Vec::with_capacity(count * d);
    let mut heap = BinaryHeap::from(mean_distances(points, d, starts));
    let mut batch: Vec<Bound> = Vec::with_capacity(BATCH);
    while picks.len() < count {
        let Some(best) = heap.peek().copied() else { break };
        if best.is_current(picks.len()) {
            heap.pop();
            picks.push(best.index);
            picked.extend_from_slice(&points[best.index as usize * d..][..d]);
            if picks.len().is_multiple_of(REPORT) && !progress(picks.len()) {
                break;
            }
            continue;
        }
        batch.clear();
        while batch.len() < BATCH {
            match heap.peek() {
                Some(bound) if !bound.is_current(picks.len()) => batch.extend(heap.pop()),
                _ => break,
            }
        }
        let floor = heap.peek().map_or(0.0, |bound| bound.score);
        let lower = |bound: &mut Bound| {
            let point = &points[bound.index as usize * d..][..d];
            dispatch(
                #[inline(always)]
                || update(bound, point, &picked, floor),
            );
        };
        let missing: usize = batch.iter().map(|bound| picks.len() - bound.seen as usize).sum();
        if missing < PARALLEL {
            batch.iter_mut().for_each(lower);
        } else {
            batch.par_iter_mut().with_min_len(4).for_each(lower);
        }
        heap.extend(batch.drain(..));
    }
    picks
}

fn mean_distances(points: &[f32], d: usize, starts: &[usize]) -> Vec<Bound> {
    let of = |(i, point): (usize, &[f32])| {
        let distance = |start: &usize| {
            dispatch(
                #[inline(always)]
                || squared_distance(point, &points[start * d..][..d]).sqrt(),
            )
        };
        let score = starts.iter().map(distance).sum::<f32>() / starts.len() as f32;
        Bound { score, index: i as u32, seen: 0 }
    };
    points.par_chunks_exact(d).with_min_len(256).enumerate().map(of).collect()
}

/// Lowers a bound by the picks it has not seen, until it has seen all or lies below `floor`.
#[inline(always)]
fn update(bound: &mut Bound, point: &[f32], picked: &[f32], floor: f32) {
    let d = point.len();
    for pick in picked[bound.seen as usize * d..].chunks_exact(d) {
        bound.score = bound.score.min(squared_distance(point, pick).sqrt());
        bound.seen += 1;
        if bound.score < floor {
            return;
        }
    }
}
