//! Panels: a matrix as tiles read it.

use super::precision::{Precision, pair, unpaired};
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

/// A matrix of `k` rows and `n` columns, laid out in panels for one level: a product runs at that level, on whatever queue.
/// It is packed in f32; [`Self::in_precision`] rounds it.
#[derive(Debug, Clone)]
pub struct Panels {
    isa: Isa,
    k: usize,
    n: usize,
    precision: Precision,
    /// In bf16 each number holds a pair of rows in its bits.
    data: Aligned,
}

/// No matrix yet.
impl Default for Panels {
    fn default() -> Self {
        Self { isa: isa(), k: 0, n: 0, precision: Precision::F32, data: Aligned::default() }
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
        (self.isa, self.precision) = (isa(), Precision::F32);
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
        (self.isa, self.precision) = (isa(), Precision::F32);
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

    /// The same matrix with elements that products multiply in that precision, where the level has it; else as it is.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        if precision == self.precision || !precision.is_available_at(self.isa) {
            return self;
        }
        if precision == Precision::F32 {
            return Self::from_transposed(&self.to_transposed(), self.n, self.k);
        }
        let (nr, steps) = (tile_cols(self.isa), self.k.div_ceil(2));
        let mut data = Aligned::default();
        data.resize(self.n.div_ceil(nr) * nr * steps);
        for (panel, to) in self.panels().zip(data.chunks_exact_mut((nr * steps).max(1))) {
            for (two, to) in panel.chunks(2 * nr).zip(to.chunks_exact_mut(nr)) {
                for (j, to) in to.iter_mut().enumerate() {
                    *to = pair(two[j], two.get(nr + j).copied().unwrap_or(0.0));
                }
            }
        }
        Self { precision, data, ..self }
    }

    /// The matrix as it was before it was packed by [`Self::from_transposed`]: `n` rows of `k` elements, rounded where its precision
    /// is no f32.
    pub fn to_transposed(&self) -> Vec<f32> {
        let nr = tile_cols(self.isa);
        let mut rows = vec![0.0; self.n * self.k];
        let mut put = |k_idx: usize, n_idx: usize, value: f32| {
            if k_idx < self.k && n_idx < self.n {
                rows[n_idx * self.k + k_idx] = value;
            }
        };
        for (p, panel) in self.data.chunks_exact((nr * self.steps()).max(1)).enumerate() {
            for (step, line) in panel.chunks_exact(nr).enumerate() {
                for (j, value) in line.iter().enumerate() {
                    match self.precision {
                        Precision::F32 => put(step, p * nr + j, *value),
                        Precision::Bf16 => {
                            let [low, high] = unpaired(*value);
                            put(2 * step, p * nr + j, low);
                            put(2 * step + 1, p * nr + j, high);
                        }
                    }
                }
            }
        }
        rows
    }

    /// The precision of its elements.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Steps along the inner dimension: its elements, or pairs of them.
    pub(super) fn steps(&self) -> usize {
        match self.precision {
            Precision::F32 => self.k,
            Precision::Bf16 => self.k.div_ceil(2),
        }
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

    /// The panels of a matrix in bf16, each half of `k` times the tile's columns of pairs.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such matrix is made there"))]
    pub(super) fn halves(&self) -> std::slice::ChunksExact<'_, f32> {
        debug_assert_eq!(self.precision, Precision::Bf16);
        self.data.chunks_exact((tile_cols(self.isa) * self.steps()).max(1))
    }

    /// The panels of a matrix in f32, each `k` times the tile's columns.
    pub(crate) fn panels(&self) -> std::slice::ChunksExact<'_, f32> {
        debug_assert_eq!(self.precision, Precision::F32);
        self.data.chunks_exact((tile_cols(self.isa) * self.k).max(1))
    }
}
