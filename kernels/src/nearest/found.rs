//! The nearest rows of a query as they are measured.

use super::{Filter, MAX_K, NONE, Rows};
use crate::math::squared_distance;
use crate::simd::dispatch;

/// How much the distance that is measured can differ from that of real numbers, for rows of width d, in parts of it.
///
/// Each of the d squares is rounded three times (difference, square twice), and is in at most d / 16 + 5 rounded sums, so
/// that the sum is within a factor of (1 + 2^-24)^(d / 16 + 8); a little more is allowed, since 1 + x < e^x.
pub(super) fn rounding(d: usize) -> f64 {
    (d as f64 / 16.0 + 9.0) * 1.01 * UNIT
}

/// Largest part of a number that rounding to f32 takes or adds.
pub(super) const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// The k nearest of the rows that were offered, by squared distance and then by index. Distances that are no finite numbers
/// are no matches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    k: usize,
    squares: [f32; MAX_K],
    indices: [u32; MAX_K],
}

impl Found {
    pub(super) fn new(k: usize) -> Self {
        Self { k, squares: [f32::INFINITY; MAX_K], indices: [NONE; MAX_K] }
    }

    /// The k-th squared distance; infinite where fewer were found.
    #[inline(always)]
    pub(super) fn worst(&self) -> f32 {
        self.squares[self.k - 1]
    }

    /// Whether a row is among them.
    #[inline(always)]
    pub(super) fn holds(&self, index: u32) -> bool {
        self.indices[..self.k].contains(&index)
    }

    /// Takes a row, which must not be among them, if it is nearer than the last. Whether it was.
    #[inline(always)]
    pub(super) fn offer(&mut self, square: f32, index: u32) -> bool {
        let before = |place: usize| (square, index) < (self.squares[place], self.indices[place]);
        if !square.is_finite() || !before(self.k - 1) {
            return false;
        }
        let mut place = self.k - 1;
        while place > 0 && (square, index) < (self.squares[place - 1], self.indices[place - 1]) {
            self.squares[place] = self.squares[place - 1];
            self.indices[place] = self.indices[place - 1];
            place -= 1;
        }
        (self.squares[place], self.indices[place]) = (square, index);
        true
    }

    pub(super) fn write(&self, indices: &mut [u32], distances: &mut [f32]) {
        indices.copy_from_slice(&self.indices[..self.k]);
        distances.copy_from_slice(&self.squares[..self.k]);
    }
}

/// Measures all rows that may match the query of that number.
pub(super) fn exhaustive(
    query: &[f32],
    query_number: usize,
    rows: Rows<&[f32]>,
    filter: Filter<&[u32]>,
    k: usize,
) -> Found {
    let mut found = Found::new(k);
    dispatch(
        #[inline(always)]
        || {
            for (j, row) in rows.data.chunks_exact(query.len()).enumerate() {
                if !filter.excludes(query_number, j) {
                    found.offer(squared_distance(query, row), j as u32);
                }
            }
        },
    );
    found
}
