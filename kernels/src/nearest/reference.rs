//! Every distance by direct differences in f64, then a sort.

use super::{Labels, NONE};

pub(super) fn nearest(
    queries: &[f32],
    d: usize,
    rows: &[f32],
    labels: Option<Labels<&[u32]>>,
    k: usize,
) -> Vec<(u32, f32)> {
    let mut found = Vec::new();
    for (i, query) in queries.chunks_exact(d).enumerate() {
        let mut all: Vec<(f64, u32)> = rows
            .chunks_exact(d)
            .enumerate()
            .filter(|(j, _)| labels.is_none_or(|l| l.queries[i] != l.rows[*j]))
            .map(|(j, row)| (row.iter().zip(query).map(|(r, q)| f64::from(r - q).powi(2)).sum(), j as u32))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.resize(all.len().max(k), (f64::INFINITY, NONE));
        found.extend(all[..k].iter().map(|(dist, j)| (*j, *dist as f32)));
    }
    found
}
