//! Every distance by direct differences, then a sort: in f64, and as the fast bodies measure.

use super::{Filter, NONE};

pub(super) fn nearest(
    queries: &[f32],
    d: usize,
    rows: &[f32],
    filter: Filter<&[u32]>,
    k: usize,
) -> Vec<(u32, f32)> {
    let mut found = Vec::new();
    for (i, query) in queries.chunks_exact(d).enumerate() {
        let mut all: Vec<(f64, u32)> = rows
            .chunks_exact(d)
            .enumerate()
            .filter(|(j, _)| !filter.excludes(i, *j))
            .map(|(j, row)| (row.iter().zip(query).map(|(r, q)| f64::from(r - q).powi(2)).sum(), j as u32))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.resize(all.len().max(k), (f64::INFINITY, NONE));
        found.extend(all[..k].iter().map(|(dist, j)| (*j, *dist as f32)));
    }
    found
}

/// With the distances that the fast bodies measure, in f32 and sixteen lanes: what a search gives is this to the bit. A distance
/// that is no finite number is no match.
pub(super) fn measured(
    queries: &[f32],
    d: usize,
    rows: &[f32],
    filter: Filter<&[u32]>,
    k: usize,
) -> Vec<(u32, f32)> {
    let distance = |a: &[f32], b: &[f32]| {
        let mut lanes = [0.0_f32; 16];
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            lanes[i % 16] += (a - b) * (a - b);
        }
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
        }
        lanes[0]
    };
    let mut found = Vec::new();
    for (i, query) in queries.chunks_exact(d).enumerate() {
        let mut all: Vec<(f32, u32)> = rows
            .chunks_exact(d)
            .enumerate()
            .filter(|(j, _)| !filter.excludes(i, *j))
            .map(|(j, row)| (distance(query, row), j as u32))
            .filter(|(distance, _)| distance.is_finite())
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.resize(all.len().max(k), (f32::INFINITY, NONE));
        found.extend(all[..k].iter().map(|(dist, j)| (*j, *dist)));
    }
    found
}
