//! The search by codes: bounds first, then measures.
//!
//! A query begins with the rows that queries beside it found, and those that its place found in the call before: their
//! distances bound how far its k nearest can be. Then its code meets those of all rows; rows that are farther by their codes are
//! left out, all others are measured, and bring the bound down. Where codes leave too many rows over, the query is
//! searched among all rows in f32.

use rayon::prelude::*;

use super::basis::{About, Scratch};
use super::codes::Coded;
use super::found::Found;
use super::sieve::{Layout, MAX_QUERIES, Masks, Panels, unit};
use super::{Filter, Labels, MAX_K, NONE, Places, Rows, cpu, vnni};
use crate::aligned::Aligned;
use crate::math::squared_distance;
use crate::simd::dispatch;
use crate::threads::rows_per_task;

/// Panels that meet a group of queries before what they leave over is measured.
const PANELS: usize = 8;

/// The most queries of a task: queries find more beside them, and share what codes do not help, where tasks are large.
const MAX_BLOCK: usize = 264;

/// Rows that queries without a bound are measured with.
const FIRST: usize = 256;

/// Queries without a useful code that are searched in f32 at a time.
const SPARE: usize = 96;

/// A query that codes leave more rows than this and a part 1 / this of all is searched in f32.
const LEFT_OVER: usize = 32;

/// Every so many-th query is searched before those between.
const STRIDE: usize = 8;

/// What tasks of the search need.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    tasks: Vec<Task>,
    /// What each query found in the call before.
    last: Vec<u32>,
}

#[derive(Debug, Default)]
struct Task {
    scratch: Scratch,
    codes: Aligned,
    abouts: Vec<About>,
    order: Vec<u32>,
    done: Vec<bool>,
    over: Vec<(u32, u32)>,
    spare: Spare,
}

/// Queries that codes do not help.
#[derive(Debug, Default)]
struct Spare {
    /// Their numbers, and for some at a time descriptors, labels and places.
    numbers: Vec<u32>,
    queries: Vec<f32>,
    labels: Vec<u32>,
    of: Vec<u32>,
    indices: Vec<u32>,
    distances: Vec<f32>,
    task: cpu::Task,
}

/// What is searched for among what.
#[derive(Clone, Copy)]
struct Job<'a> {
    queries: &'a [f32],
    rows: Rows<&'a [f32]>,
    filter: Filter<&'a [u32]>,
    coded: &'a Coded,
    k: usize,
}

/// A query of a group.
#[derive(Clone, Copy)]
struct Slot {
    query: usize,
    found: Found,
    about: About,
    measured: usize,
    /// Whether what was found has changed since the threshold was set.
    nearer: bool,
}

pub(super) fn nearest(
    queries: &[f32],
    rows: Rows<&[f32]>,
    filter: Filter<&[u32]>,
    coded: &Coded,
    k: usize,
    workspace: &mut Workspace,
    indices: &mut [u32],
    distances: &mut [f32],
) {
    let d = coded.basis.width();
    let m = queries.len() / d;
    let block = rows_per_task(m, MAX_BLOCK);
    workspace.tasks.resize_with(m.div_ceil(block).max(workspace.tasks.len()), Task::default);
    if workspace.last.len() != m * k {
        workspace.last.clear();
        workspace.last.resize(m * k, NONE);
    }
    workspace
        .tasks
        .par_iter_mut()
        .zip(queries.par_chunks(block * d).zip(workspace.last.par_chunks_mut(block * k)))
        .zip(indices.par_chunks_mut(block * k).zip(distances.par_chunks_mut(block * k)))
        .enumerate()
        .for_each(|(b, ((task, (queries, last)), (indices, distances)))| {
            let filter = filter.of_queries_from(b * block);
            let job = Job { queries, rows, filter, coded, k };
            task.search(job, last, indices, distances);
            last.copy_from_slice(indices);
        });
}

impl Job<'_> {
    fn query(&self, query: usize) -> &[f32] {
        let d = self.coded.basis.width();
        &self.queries[query * d..][..d]
    }

    /// Measures a row, if it may match and is not among those found. Whether it was measured.
    #[inline(always)]
    fn measure(&self, slot: &mut Slot, row: u32) -> bool {
        if self.filter.excludes(slot.query, row as usize) || slot.found.holds(row) {
            return false;
        }
        let d = self.coded.basis.width();
        let square = squared_distance(self.query(slot.query), &self.rows.data[row as usize * d..][..d]);
        slot.nearer |= slot.found.offer(square, row);
        true
    }

    /// What the sum of bias and product of a row reaches unless the row is too far.
    ///
    /// With integers a of the row and b of the query the row is near enough only where |a - b|^2 <= M, and so only where
    /// 2 a.b - |a|^2 >= |b|^2 - M. Halves are rounded so that no such row is missed: biases up, thresholds down.
    #[inline(always)]
    fn threshold(&self, slot: &Slot) -> i32 {
        let basis = &self.coded.basis;
        let radius = f64::from(slot.about.radius) + f64::from(self.coded.radius);
        // No two codes are farther apart than four units.
        let most = 4 * unit(basis.len());
        let reach = basis.reach(slot.found.worst(), radius).min(f64::from(most)) as i32;
        let shift = match self.coded.layout {
            Layout::Bytes => 128 * slot.about.sum,
            Layout::Pairs | Layout::Floats(_) => 0,
        };
        (slot.about.norm - reach).div_euclid(2) + shift
    }
}

impl Task {
    fn search(&mut self, job: Job<'_>, last: &[u32], indices: &mut [u32], distances: &mut [f32]) {
        let d = job.coded.basis.width();
        let n = job.queries.len() / d;
        self.encode(job);
        self.order.clear();
        self.order.extend((0..n as u32).step_by(STRIDE));
        let mut step = STRIDE / 2;
        while step > 0 {
            self.order.extend((step as u32..n as u32).step_by(2 * step));
            step /= 2;
        }
        self.done.clear();
        self.done.resize(n, false);
        self.spare.reserve(job, n);
        self.over.clear();
        self.over.reserve(PANELS * job.coded.layout.rows() * MAX_QUERIES);
        let order = std::mem::take(&mut self.order);
        let mut tried = 0;
        for group in order.chunks(MAX_QUERIES) {
            if tried >= 4 * MAX_QUERIES && 2 * self.spare.numbers.len() > tried {
                self.spare.numbers.extend(group);
                continue;
            }
            tried += group.len();
            self.group(job, group, last, indices, distances);
        }
        self.order = order;
        self.spare.search(job, indices, distances);
    }

    /// Finds the codes of all queries.
    fn encode(&mut self, job: Job<'_>) {
        let Coded { basis, layout, .. } = job.coded;
        let n = job.queries.len() / basis.width();
        let len = layout.code(basis.len());
        self.codes.resize(n * len);
        self.abouts.resize(n, About::default());
        let (codes, abouts) = (&mut self.codes, &mut self.abouts);
        basis.encode(job.queries, &mut self.scratch, |query, code, about| {
            let own = &mut codes[query * len..][..len];
            match layout {
                Layout::Bytes => {
                    let bytes: &mut [i8] = bytemuck::cast_slice_mut(own);
                    bytes.iter_mut().zip(code).for_each(|(byte, v)| *byte = *v as i8);
                }
                Layout::Pairs => {
                    let numbers: &mut [i16] = bytemuck::cast_slice_mut(own);
                    numbers.iter_mut().zip(code).for_each(|(number, v)| *number = *v as i16);
                }
                Layout::Floats(_) => own.copy_from_slice(code),
            }
            abouts[query] = about;
        });
    }

    fn group(
        &mut self,
        job: Job<'_>,
        group: &[u32],
        last: &[u32],
        indices: &mut [u32],
        distances: &mut [f32],
    ) {
        let Coded { basis, layout, data, biases, .. } = job.coded;
        let (d, r, k, t) = (basis.width(), basis.len(), job.k, job.rows.norms.len());
        // A short group repeats its last query, which finds the same once more.
        let mut slots: [Slot; MAX_QUERIES] = std::array::from_fn(|i| {
            let query = group[i.min(group.len() - 1)] as usize;
            Slot { query, found: Found::new(k), about: self.abouts[query], measured: 0, nearer: false }
        });
        let slots = &mut slots[..group.len()];
        dispatch(
            #[inline(always)]
            || self.begin(job, slots, last, indices),
        );
        // Measuring a row takes about ten times what the search in f32 takes for it.
        let most = LEFT_OVER + t / LEFT_OVER;
        let never = 8 * unit(r);
        let mut thresholds = [never; MAX_QUERIES];
        for (threshold, slot) in thresholds.iter_mut().zip(slots.iter_mut()) {
            if slot.about.radius.is_finite() {
                *threshold = job.threshold(slot);
            } else {
                slot.measured = usize::MAX;
            }
        }
        let len = layout.code(r);
        let codes = std::array::from_fn(|i| &self.codes[slots[i.min(slots.len() - 1)].query * len..][..len]);
        let rows = PANELS * layout.rows();
        let chunks = data.chunks(PANELS * layout.panel(r)).zip(biases.chunks(rows));
        for (chunk, (data, biases)) in chunks.enumerate() {
            let mut masks = [Masks::default(); PANELS];
            let panels = Panels { layout: *layout, r, data, biases };
            if !panels.sieve(slots.len(), codes, &thresholds, &mut masks) {
                continue;
            }
            self.over.clear();
            for (panel, masks) in masks.iter().enumerate() {
                let first = chunk * rows + panel * layout.rows();
                for (i, mask) in masks.iter().enumerate().take(slots.len()) {
                    let mut mask = *mask;
                    while mask != 0 {
                        let row = first + mask.trailing_zeros() as usize;
                        // Rows that no code is of reach no threshold.
                        vnni::prefetch(&job.rows.data[row * d..][..d]);
                        self.over.push((i as u32, row as u32));
                        mask &= mask - 1;
                    }
                }
            }
            dispatch(
                #[inline(always)]
                || {
                    for (i, row) in &self.over {
                        let slot = &mut slots[*i as usize];
                        if slot.measured <= most && job.measure(slot, *row) {
                            slot.measured += 1;
                        }
                    }
                },
            );
            for (threshold, slot) in thresholds.iter_mut().zip(slots.iter_mut()) {
                if slot.measured > most {
                    *threshold = never;
                } else if std::mem::take(&mut slot.nearer) {
                    *threshold = job.threshold(slot);
                }
            }
        }
        for slot in slots {
            if slot.measured > most {
                self.spare.numbers.push(slot.query as u32);
            } else {
                let (first, len) = (slot.query * k, k);
                slot.found.write(&mut indices[first..][..len], &mut distances[first..][..len]);
                self.done[slot.query] = true;
            }
        }
    }

    /// Measures rows that are likely to be near.
    #[inline(always)]
    fn begin(&self, job: Job<'_>, slots: &mut [Slot], last: &[u32], indices: &[u32]) {
        let (k, t) = (job.k, job.rows.norms.len());
        for slot in slots {
            let query = slot.query;
            let mut take = |rows: &[u32]| {
                for row in rows.iter().filter(|row| (**row as usize) < t) {
                    job.measure(slot, *row);
                }
            };
            take(&last[query * k..][..k]);
            let step = if query.is_multiple_of(STRIDE) { STRIDE } else { 1 << query.trailing_zeros() };
            for other in [query.wrapping_sub(step), query + step] {
                if self.done.get(other).is_some_and(|done| *done) {
                    take(&indices[other * k..][..k]);
                }
            }
            if slot.found.worst() == f32::INFINITY {
                for row in (0..t).step_by(t.div_ceil(FIRST).max(1)) {
                    job.measure(slot, row as u32);
                }
            }
        }
    }
}

impl Spare {
    /// Makes room for whatever the queries may need, so that no later frame has to.
    fn reserve(&mut self, job: Job<'_>, n: usize) {
        let d = job.coded.basis.width();
        self.numbers.clear();
        self.numbers.reserve(n);
        if self.queries.capacity() < SPARE * d {
            self.queries.reserve(SPARE * d);
            self.labels.reserve(SPARE);
            self.of.reserve(SPARE);
            self.indices.resize(SPARE * MAX_K, NONE);
            self.distances.resize(SPARE * MAX_K, 0.0);
            self.task.reserve(d, SPARE);
        }
    }

    /// Searches its queries in f32.
    fn search(&mut self, job: Job<'_>, indices: &mut [u32], distances: &mut [f32]) {
        let (d, k) = (job.coded.basis.width(), job.k);
        let Filter { labels, places } = job.filter;
        for numbers in self.numbers.chunks(SPARE) {
            self.queries.clear();
            self.labels.clear();
            self.of.clear();
            for number in numbers {
                self.queries.extend_from_slice(job.query(*number as usize));
                self.labels.extend(labels.map(|l| l.queries[*number as usize]));
                self.of.extend(places.map(|p| p.queries[*number as usize]));
            }
            let filter = Filter {
                labels: labels.map(|l| Labels { queries: &self.labels[..], ..l }),
                places: places.map(|p| Places { queries: &self.of[..], ..p }),
            };
            let len = numbers.len() * k;
            let (found, squares) = (&mut self.indices[..len], &mut self.distances[..len]);
            self.task.run(&self.queries, d, job.rows, filter, k, found, squares);
            for (i, number) in numbers.iter().enumerate() {
                let own = *number as usize * k;
                indices[own..][..k].copy_from_slice(&found[i * k..][..k]);
                distances[own..][..k].copy_from_slice(&squares[i * k..][..k]);
            }
        }
    }
}
