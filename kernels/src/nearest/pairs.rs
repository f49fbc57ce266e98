//! Products of codes of pairs of 16-bit numbers, 6 queries by 16 rows, with AVX2: twice as many an instruction as in f32.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "intrinsics whose operands pulp moves through memory")
)]

/// Queries of a tile.
pub(super) const QUERIES: usize = 6;

/// Rows of a panel.
pub(super) const ROWS: usize = 16;

/// Pairs of channels of half of the rows of a panel.
type Line = [i16; ROWS];

/// What the sums of half of the rows begin with.
type Begin = [i32; ROWS / 2];

/// Panels of rows whose codes are pairs: two channels of 8 rows in a line, two lines for each two channels.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such codes are made there"))]
pub(super) struct Pairs<'a> {
    pub(super) lines: &'a [Line],
    /// What the sums of each row begin with.
    pub(super) biases: &'a [Begin],
    /// Pairs of channels.
    pub(super) steps: usize,
}

/// Whether the processor has the instructions.
#[cfg(target_arch = "x86_64")]
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Whether the processor has the instructions.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn available() -> bool {
    false
}

/// For each panel and query of a tile a mask of the rows whose bias and product with the query reach the query's threshold, from
/// place `first` of the panel's masks on. Whether there are any such rows. Nothing happens on a processor without the
/// instructions.
pub(super) fn sieve<const N: usize>(
    panels: &Pairs<'_>,
    queries: [&[i32]; QUERIES],
    thresholds: &[i32; QUERIES],
    first: usize,
    masks: &mut [[u32; N]],
) -> bool {
    #[cfg(target_arch = "x86_64")]
    if available() {
        // SAFETY: the processor has the features that the function is compiled for, as was just asked.
        return unsafe { body::sieve(panels, queries, thresholds, first, masks) };
    }
    let _ = (panels, queries, thresholds, first, masks);
    false
}

#[cfg(target_arch = "x86_64")]
mod body {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_movemask_ps, _mm256_set1_epi32,
    };

    use super::{Pairs, QUERIES, ROWS};

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load<T>(line: &[T]) -> __m256i {
        assert!(size_of_val(line) == 32);
        // SAFETY: the line has 32 bytes, any of which are a vector's, and need not be aligned.
        unsafe { _mm256_loadu_si256(line.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn sieve<const N: usize>(
        panels: &Pairs<'_>,
        queries: [&[i32]; QUERIES],
        thresholds: &[i32; QUERIES],
        first: usize,
        masks: &mut [[u32; N]],
    ) -> bool {
        let steps = panels.steps;
        let queries = queries.map(|query| &query[..steps]);
        let mut any = 0;
        let biases = panels.biases.as_chunks::<2>().0;
        for ((panel, bias), masks) in panels.lines.chunks_exact(2 * steps).zip(biases).zip(masks) {
            let panel = &panel.as_chunks::<2>().0[..steps];
            let begin = bias.each_ref().map(|line| load(line));
            let mut sums = [begin; QUERIES];
            for (step, lines) in panel.iter().enumerate() {
                let [above, below] = lines.each_ref().map(|line| load(line));
                for (sum, query) in sums.iter_mut().zip(&queries) {
                    let pair = _mm256_set1_epi32(query[step]);
                    sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(above, pair));
                    sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(below, pair));
                }
            }
            for ((sum, threshold), mask) in sums.iter().zip(thresholds).zip(&mut masks[first..]) {
                // Whole numbers reach a threshold where they exceed the one before it.
                let before = _mm256_set1_epi32(*threshold - 1);
                let [above, below] = sum.map(|sum| {
                    let reached = _mm256_castsi256_ps(_mm256_cmpgt_epi32(sum, before));
                    _mm256_movemask_ps(reached).cast_unsigned()
                });
                *mask = above | below << (ROWS / 2);
                any |= *mask;
            }
        }
        any != 0
    }
}
