//! The tile with operands in bf16 and sums in f32, by AVX512-BF16: twice the products of f32 an instruction.
//!
//! Rows of A are rounded once for all panels, into memory that each thread keeps: as many rows at a time as fit there.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "intrinsics of an instruction set that pulp has no level for")
)]

use std::cell::RefCell;

use super::f32::{RowBlock, Sink};
use super::panels::Panels;
#[cfg(target_arch = "x86_64")]
use super::precision::has_bf16;
use crate::aligned::Aligned;

/// Rows of a tile: their sums, with what one step reads, fill the registers.
const ROWS: usize = 12;

/// Pairs of rounded elements that a thread keeps: 512 KiB, half of a second-level cache.
const KEPT: usize = 128 << 10;

thread_local! {
    /// Rounded rows of A, two elements in the bits of each number; taken at the first product of the thread, all of it.
    static ROUNDED: RefCell<Aligned> = RefCell::default();
}

/// As [`super::multiply`], of panels in bf16. Nothing happens on a processor without the instructions, which no such panels are
/// made on.
pub(super) fn multiply<K: Sink>(a: &RowBlock<'_>, b: &Panels, sink: &mut K) {
    #[cfg(target_arch = "x86_64")]
    if has_bf16() {
        ROUNDED.with_borrow_mut(|rounded| {
            rounded.resize(KEPT.max(ROWS * b.steps()));
            let most = rounded.len() / b.steps().max(1) / ROWS * ROWS;
            for first in (0..a.n_rows).step_by(most) {
                let rows = most.min(a.n_rows - first);
                // SAFETY: the processor has the features that the function is compiled for, as was just asked.
                unsafe { body::multiply(a, first..first + rows, b, rounded, sink) };
            }
        });
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (a, b, sink, ROWS, KEPT);
}

#[cfg(target_arch = "x86_64")]
mod body {
    use std::arch::x86_64::{
        __m512, __m512bh, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };
    use std::ops::Range;

    use super::super::f32::{RowBlock, Sink};
    use super::super::panels::{MAX_COLS, Panels};
    use super::super::precision::pair;
    use super::ROWS;

    /// Columns of a vector.
    const LANES: usize = 16;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(lanes: &[f32; LANES]) -> __m512 {
        // SAFETY: the array has a vector's numbers, and need not be aligned.
        unsafe { _mm512_loadu_ps(lanes.as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(lanes: &mut [f32; LANES], value: __m512) {
        // SAFETY: the array has a vector's numbers, and need not be aligned.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), value) };
    }

    /// Sixteen pairs, as products read them.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn pairs(bits: __m512) -> __m512bh {
        // SAFETY: vectors of one size, any bits of which are numbers.
        unsafe { std::mem::transmute(bits) }
    }

    /// Rounds a row to pairs, in the order of its elements.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn round_row(row: &[f32], pairs: &mut [f32]) {
        let (chunks, rest) = row.as_chunks::<{ 2 * LANES }>();
        let (whole, last) = pairs.split_at_mut(chunks.len() * LANES);
        for (chunk, pairs) in chunks.iter().zip(whole.as_chunks_mut::<LANES>().0) {
            let (halves, _) = chunk.as_chunks::<LANES>();
            let rounded = _mm512_cvtne2ps_pbh(load(&halves[1]), load(&halves[0]));
            // SAFETY: vectors of one size, any bits of which are numbers.
            store(pairs, unsafe { std::mem::transmute::<__m512bh, __m512>(rounded) });
        }
        for (two, place) in rest.chunks(2).zip(last) {
            *place = pair(two[0], two.get(1).copied().unwrap_or(0.0));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) fn multiply<K: Sink>(
        a: &RowBlock<'_>,
        rows: Range<usize>,
        b: &Panels,
        rounded: &mut [f32],
        sink: &mut K,
    ) {
        let steps = b.steps();
        for (row, pairs) in rows.clone().zip(rounded.chunks_exact_mut(steps.max(1))) {
            round_row(&a.data[row * a.stride..][..b.k()], pairs);
        }
        let n_rows = rows.len();
        let mut line = [[0.0_f32; LANES]; MAX_COLS / LANES];
        for (p, panel) in b.halves().enumerate() {
            let (col, cols) = (p * MAX_COLS, MAX_COLS.min(b.n() - p * MAX_COLS));
            for row in (0..n_rows).step_by(ROWS) {
                // The last tile may be short: its missing rows repeat the last one and are not handed on.
                let tile: [&[f32]; ROWS] =
                    std::array::from_fn(|i| &rounded[(row + i).min(n_rows - 1) * steps..][..steps]);
                let sums = sums(tile, panel);
                for (i, sum) in sums.iter().enumerate().take(n_rows - row) {
                    store(&mut line[0], sum[0]);
                    store(&mut line[1], sum[1]);
                    sink.take(rows.start + row + i, col, &line.as_flattened()[..cols]);
                }
            }
        }
    }

    /// Sums of one tile.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn sums(rows: [&[f32]; ROWS], panel: &[f32]) -> [[__m512; 2]; ROWS] {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        let (steps, _) = panel.as_chunks::<{ 2 * LANES }>();
        let rows = rows.map(|row| &row[..steps.len()]);
        for (k, step) in steps.iter().enumerate() {
            let (halves, _) = step.as_chunks::<LANES>();
            let (b0, b1) = (pairs(load(&halves[0])), pairs(load(&halves[1])));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let a = _mm512_set1_epi32(row[k].to_bits().cast_signed());
                // SAFETY: vectors of one size, any bits of which are numbers.
                let a: __m512bh = unsafe { std::mem::transmute(a) };
                sum[0] = _mm512_dpbf16_ps(sum[0], a, b0);
                sum[1] = _mm512_dpbf16_ps(sum[1], a, b1);
            }
        }
        sums
    }
}
