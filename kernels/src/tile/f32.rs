//! The register tile in f32 that every matrix product of this crate is made of.
//!
//! A product C = A B is cut into tiles of `MR` rows by two vectors of columns. B lies in *panels*: two vectors
//! wide, all of the inner dimension long, so that one step of the inner loop reads two consecutive vectors. A is
//! read where it lies, one element of each row a step, broadcast. All sums stay in registers.
//!
//! Why not a library: the `gemm` crate allocates its packing buffers and packs B anew in each call. Weights never
//! change, so here they are packed once, and a frame allocates nothing (docs/decisions.md, 2).

use pulp::{Simd, WithSimd};

use super::panels::{MAX_COLS, Panels, tile_cols};
use crate::simd::{Isa, mul_add, with_simd_at};

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

/// Runs a job on panels that are laid out for that level, with tiles of [`tile_rows`] rows.
pub(crate) fn tiled(isa: Isa, job: impl Tiled) {
    with_simd_at(isa, Height(job));
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

/// Sums of one tile: row `i` of A times column `j` of the panel.
#[inline(always)]
pub(crate) fn tile<S: Simd, const MR: usize>(
    simd: S,
    rows: [&[f32]; MR],
    panel: &[f32],
) -> [[S::f32s; 2]; MR] {
    add_tile(simd, [[simd.splat_f32s(0.0); 2]; MR], rows, panel)
}

/// The sums of one tile after some steps more of the panel, and the elements of each row of A that they meet.
#[inline(always)]
pub(crate) fn add_tile<S: Simd, const MR: usize>(
    simd: S,
    mut sums: [[S::f32s; 2]; MR],
    rows: [&[f32]; MR],
    panel: &[f32],
) -> [[S::f32s; 2]; MR] {
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

/// Hands the sums of one row of a tile to `sink`, by way of `line`.
#[inline(always)]
pub(crate) fn hand_on<S: Simd>(
    _: S,
    sums: &[S::f32s; 2],
    row: usize,
    col: usize,
    cols: usize,
    line: &mut [f32; MAX_COLS],
    sink: &mut impl Sink,
) {
    let (head, _) = S::as_mut_simd_f32s(line);
    head[0] = sums[0];
    head[1] = sums[1];
    // The length of whole tiles is known to the compiler.
    if cols == 2 * S::F32_LANES {
        sink.take(row, col, &line[..2 * S::F32_LANES]);
    } else {
        sink.take(row, col, &line[..cols]);
    }
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

/// As [`super::multiply`], of panels in f32.
pub(super) fn multiply<K: Sink>(a: &RowBlock<'_>, b: &Panels, sink: &mut K) {
    tiled(b.isa(), Multiply { a, b, sink });
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
            let (col, cols) = (p * nr, nr.min(b.n() - p * nr));
            for row in (0..a.n_rows).step_by(MR) {
                // The last tile may be short: its missing rows repeat the last one and are not handed on.
                let rows =
                    std::array::from_fn(|i| &a.data[(row + i).min(a.n_rows - 1) * a.stride..][..b.k()]);
                let sums = tile::<S, MR>(simd, rows, panel);
                for (i, sum) in sums.iter().enumerate().take(a.n_rows - row) {
                    hand_on(simd, sum, row + i, col, cols, &mut line, sink);
                }
            }
        }
    }
}
