//! Panels: a matrix as tiles read it.

use crate::aligned::Aligned;
use crate::simd::{Isa, isa};

/// The most columns a tile has: two vectors of 16.
pub(crate) const MAX_COLS: usize = 32;

/// Columns of a tile at a level: two vectors.
pub(crate) fn tile_cols(isa: Isa) -> usize {
    match isa {
        Isa::Avx512 => 32,
        Isa::Avx2 => 16,
        Isa::Portable => 8,
    }
}

/// A matrix of `k` rows and `n` columns in f32, laid out in panels for one level: a product runs at that level, on
/// whatever queue.
#[derive(Debug, Clone)]
pub struct Panels {
    isa: Isa,
    k: usize,
    n: usize,
    data: Aligned,
}

/// No matrix yet.
impl Default for Panels {
    fn default() -> Self {
        Self { isa: isa(), k: 0, n: 0, data: Aligned::default() }
    }
}

impl Panels {
    /// Packs the transpose of `rows`, which is `n` rows of `k` elements: the layout of a linear layer's weight.
    ///
    /// # Panics
    /// When `rows` has another length.
    pub fn from_transposed(rows: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(rows.len(), n * k, "{n} rows of {k} elements");
        let mut panels = Self::default();
        panels.pack(k, n, |k_idx, n_idx| rows[n_idx * k + k_idx]);
        panels
    }

    /// Refills the panels with `at(row, column)`. Allocates only when the matrix outgrows what it held before.
    pub(crate) fn pack(&mut self, k: usize, n: usize, at: impl Fn(usize, usize) -> f32) {
        self.isa = isa();
        let nr = tile_cols(self.isa);
        (self.k, self.n) = (k, n);
        self.data.resize(n.div_ceil(nr) * nr * k);
        for (p, panel) in self.data.chunks_exact_mut((nr * k).max(1)).enumerate() {
            let used = nr.min(n - p * nr);
            for (k_idx, step) in panel.chunks_exact_mut(nr).enumerate() {
                for (j, value) in step.iter_mut().enumerate() {
                    *value = if j < used { at(k_idx, p * nr + j) } else { 0.0 };
                }
            }
        }
    }

    /// Packs `rows`, which is `k` rows of `n` elements, as it is.
    ///
    /// # Panics
    /// When `rows` has another length.
    pub fn from_rows(rows: &[f32], k: usize, n: usize) -> Self {
        assert_eq!(rows.len(), k * n, "{k} rows of {n} elements");
        let mut panels = Self::default();
        panels.pack_rows(rows, k, n);
        panels
    }

    /// Refills the panels with `k` rows of `n` elements. Allocates only when the matrix outgrows what it held before.
    pub(crate) fn pack_rows(&mut self, rows: &[f32], k: usize, n: usize) {
        self.isa = isa();
        let nr = tile_cols(self.isa);
        (self.k, self.n) = (k, n);
        self.data.resize(n.div_ceil(nr) * nr * k);
        for (p, panel) in self.data.chunks_exact_mut((nr * k).max(1)).enumerate() {
            let used = nr.min(n - p * nr);
            for (step, row) in panel.chunks_exact_mut(nr).zip(rows.chunks_exact(n)) {
                step[..used].copy_from_slice(&row[p * nr..][..used]);
                step[used..].fill(0.0);
            }
        }
    }

    /// The matrix as it was before it was packed by [`Self::from_transposed`]: `n` rows of `k` elements.
    pub fn to_transposed(&self) -> Vec<f32> {
        let nr = tile_cols(self.isa);
        let mut rows = vec![0.0; self.n * self.k];
        for (p, panel) in self.panels().enumerate() {
            for (k_idx, step) in panel.chunks_exact(nr).enumerate() {
                for (j, value) in step.iter().enumerate().take(self.n.saturating_sub(p * nr)) {
                    rows[(p * nr + j) * self.k + k_idx] = *value;
                }
            }
        }
        rows
    }

    /// The level that it is laid out for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Inner dimension.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The panels, each `k` times the tile's columns.
    pub(crate) fn panels(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact((tile_cols(self.isa) * self.k).max(1))
    }
}
