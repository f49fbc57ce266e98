//! The register tile that every matrix product of this crate is made of, and the panels it reads.
//!
//! A product C = A B is cut into tiles of `MR` rows by two vectors of columns. B lies in *panels*: two vectors
//! wide, all of the inner dimension long, so that one step of the inner loop reads two consecutive vectors. A is
//! read where it lies, one element of each row a step, broadcast. All sums stay in registers.
//!
//! Why not a library: the `gemm` crate allocates its packing buffers and packs B anew in each call. Weights never
//! change, so here they are packed once, and a frame allocates nothing (ARCHITECTURE.md has the figures).

use pulp::{Simd, WithSimd};

use crate::aligned::Aligned;
use crate::simd::{Isa, isa, mul_add, with_simd};

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

/// Rows of a tile at a level.
pub(crate) fn tile_rows(isa: Isa) -> usize {
    rows_of(tile_cols(isa) / 2)
}

/// Rows of a tile of vectors of so many lanes: its sums and what one step reads fill the registers.
const fn rows_of(lanes: usize) -> usize {
    match lanes {
        16 => 12,
        8 => 6,
        _ => 4,
    }
}

/// A job made of tiles.
pub(crate) trait Tiled {
    /// Runs with tiles of `MR` rows.
    fn run<S: Simd, const MR: usize>(self, simd: S);
}

/// Runs a job at the level in use, with tiles of [`tile_rows`] rows.
pub(crate) fn tiled(job: impl Tiled) {
    with_simd(Height(job));
}

/// Chooses the height of a job's tiles.
struct Height<J>(J);

impl<J: Tiled> WithSimd for Height<J> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.0.run::<S, { rows_of(16) }>(simd),
            8 => self.0.run::<S, { rows_of(8) }>(simd),
            _ => self.0.run::<S, { rows_of(4) }>(simd),
        }
    }
}

/// A matrix of `k` rows and `n` columns, laid out in panels for the level in use.
#[derive(Debug, Clone, Default)]
pub struct Panels {
    k: usize,
    n: usize,
    data: Aligned,
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
        let nr = tile_cols(isa());
        self.k = k;
        self.n = n;
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
        let nr = tile_cols(isa());
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
        self.data.chunks_exact((tile_cols(isa()) * self.k).max(1))
    }
}

/// Sums of one tile: row `i` of A times column `j` of the panel.
#[inline(always)]
pub(crate) fn tile<S: Simd, const MR: usize>(
    simd: S,
    rows: [&[f32]; MR],
    panel: &[f32],
) -> [[S::f32s; 2]; MR] {
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; 2]; MR];
    let (steps, _) = S::as_simd_f32s(panel).0.as_chunks::<2>();
    let rows = rows.map(|row| &row[..steps.len()]);
    for (k, &[b0, b1]) in steps.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(&rows) {
            let a = simd.splat_f32s(row[k]);
            sum[0] = mul_add(simd, a, b0, sum[0]);
            sum[1] = mul_add(simd, a, b1, sum[1]);
        }
    }
    sums
}

/// A block of rows of A, for a product that walks over all panels of B.
pub(crate) struct RowBlock<'a> {
    /// First element of the first row onwards.
    pub(crate) data: &'a [f32],
    /// Elements from one row to the next.
    pub(crate) stride: usize,
    /// Number of rows.
    pub(crate) n_rows: usize,
}

/// What becomes of finished sums: called with the row, the first column and the sums from there on.
pub(crate) trait Sink {
    /// Takes the sums of one row of one tile.
    fn take(&mut self, row: usize, col: usize, sums: &[f32]);
}

/// Multiplies a block of rows with all panels and hands each tile row to `sink`. Single-threaded: callers split
/// rows over threads.
pub(crate) fn multiply<K: Sink>(a: &RowBlock<'_>, b: &Panels, sink: &mut K) {
    tiled(Multiply { a, b, sink });
}

struct Multiply<'a, K> {
    a: &'a RowBlock<'a>,
    b: &'a Panels,
    sink: &'a mut K,
}

impl<K: Sink> Tiled for Multiply<'_, K> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize>(self, simd: S) {
        let Multiply { a, b, sink } = self;
        let nr = 2 * S::F32_LANES;
        let mut line = [0.0_f32; MAX_COLS];
        for (p, panel) in b.panels().enumerate() {
            let (col, cols) = (p * nr, nr.min(b.n - p * nr));
            for row in (0..a.n_rows).step_by(MR) {
                // The last tile may be short: its missing rows repeat the last one and are not handed on.
                let rows = std::array::from_fn(|i| &a.data[(row + i).min(a.n_rows - 1) * a.stride..][..b.k]);
                let sums = tile::<S, MR>(simd, rows, panel);
                for (i, sum) in sums.iter().enumerate().take(a.n_rows - row) {
                    let (head, _) = S::as_mut_simd_f32s(&mut line);
                    head[0] = sum[0];
                    head[1] = sum[1];
                    sink.take(row + i, col, &line[..cols]);
                }
            }
        }
    }
}
