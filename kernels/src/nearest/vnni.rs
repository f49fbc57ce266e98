//! Products of codes of bytes, 12 queries by 32 rows, with AVX512-VNNI.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "intrinsics of an instruction set that pulp has no level for")
)]

/// Queries of a tile.
pub(super) const QUERIES: usize = 12;

/// Rows of a panel.
pub(super) const ROWS: usize = 32;

/// Panels of rows whose codes are bytes: four channels of 16 rows in a line of 64, two lines for each four channels.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such codes are made there"))]
pub(super) struct Bytes<'a> {
    pub(super) lines: &'a [[u8; 64]],
    /// What the sums of each row begin with.
    pub(super) biases: &'a [[i32; 16]],
    /// Fours of channels.
    pub(super) steps: usize,
}

/// Whether the processor has the instructions.
#[cfg(target_arch = "x86_64")]
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
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
    panels: &Bytes<'_>,
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

/// Asks the memory for a row that is read soon.
#[inline(always)]
pub(super) fn prefetch(row: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in row.chunks(16) {
        // SAFETY: the instruction reads nothing that a program could see, and is in every processor of the architecture.
        unsafe { std::arch::x86_64::_mm_prefetch(line.as_ptr().cast(), std::arch::x86_64::_MM_HINT_T0) };
    }
    let _ = row;
}

#[cfg(target_arch = "x86_64")]
mod body {
    use std::arch::x86_64::{
        __m512i, _mm512_cmpge_epi32_mask, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32,
    };

    use super::{Bytes, QUERIES};

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load<T>(line: &[T]) -> __m512i {
        assert!(size_of_val(line) == 64);
        // SAFETY: the line has 64 bytes, any of which are a vector's, and need not be aligned.
        unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn sieve<const N: usize>(
        panels: &Bytes<'_>,
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
                let [first, second] = lines.each_ref().map(|line| load(line));
                for (sum, query) in sums.iter_mut().zip(&queries) {
                    let four = _mm512_set1_epi32(query[step]);
                    sum[0] = _mm512_dpbusd_epi32(sum[0], first, four);
                    sum[1] = _mm512_dpbusd_epi32(sum[1], second, four);
                }
            }
            for ((sum, threshold), mask) in sums.iter().zip(thresholds).zip(&mut masks[first..]) {
                let threshold = _mm512_set1_epi32(*threshold);
                let [first, second] = sum.map(|sum| u32::from(_mm512_cmpge_epi32_mask(sum, threshold)));
                *mask = first | second << 16;
                any |= *mask;
            }
        }
        any != 0
    }
}
