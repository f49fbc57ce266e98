//! Panels of codes against a few queries: which rows may be near enough.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pulp::Simd;

use super::basis::{LARGEST, MOST};
use super::{pairs, vnni};
use crate::simd::{Isa, isa};
use crate::tile::{MAX_COLS, Tiled, tile, tile_cols, tile_rows, tiled};

/// The most queries that meet some panels at a time, which stay in the nearest cache meanwhile: whole tiles of any layout.
pub(super) const MAX_QUERIES: usize = 24;

/// For each query a mask of the rows of a panel.
pub(super) type Masks = [u32; MAX_QUERIES];

/// How codes lie in memory, and what multiplies them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Bytes, for AVX512-VNNI: fours of channels, in each of them the rows of the panel.
    Bytes,
    /// Pairs of 16-bit numbers, for AVX2: pairs of channels, in each of them the rows of half of the panel.
    Pairs,
    /// Whole numbers as f32, for a level of the CPU: channels, in each of them the rows of the panel. Products and sums stay
    /// below 2^24, and so exact.
    Floats(Isa),
}

/// Sums of products of codes of r numbers are at most this.
pub(super) fn unit(r: usize) -> i32 {
    (LARGEST * LARGEST) as i32 * r as i32
}

impl Layout {
    /// The fastest of those that the processor has, as the first call in the process measures.
    pub(super) fn best() -> Self {
        static BEST: OnceLock<Layout> = OnceLock::new();
        match isa() {
            // Nothing to choose from; the level of the process is another one in tests alone.
            Isa::Portable => Self::Floats(Isa::Portable),
            level => *BEST.get_or_init(|| Self::fastest(Self::of(level)).unwrap_or(Self::Floats(level))),
        }
    }

    /// They take turns, so that a busy moment of the machine meets all of them.
    fn fastest(layouts: Vec<Self>) -> Option<Self> {
        const ROUNDS: usize = 24;
        let mut least = vec![Duration::MAX; layouts.len()];
        let mut probes: Vec<Probe> = layouts.iter().map(|layout| Probe::new(*layout)).collect();
        for _ in 0..ROUNDS {
            for (least, probe) in least.iter_mut().zip(&mut probes) {
                *least = probe.time().min(*least);
            }
        }
        layouts.into_iter().zip(least).min_by_key(|(_, least)| *least).map(|(layout, _)| layout)
    }

    /// Those that the processor has at a level.
    pub(super) fn of(level: Isa) -> Vec<Self> {
        let bytes = (level == Isa::Avx512 && vnni::available()).then_some(Self::Bytes);
        let pairs = (level >= Isa::Avx2 && pairs::available()).then_some(Self::Pairs);
        bytes.into_iter().chain(pairs).chain([Self::Floats(level)]).collect()
    }

    /// Rows of a panel.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Bytes => vnni::ROWS,
            Self::Pairs => pairs::ROWS,
            Self::Floats(isa) => tile_cols(isa),
        }
    }

    /// Queries of a tile.
    fn queries(self) -> usize {
        match self {
            Self::Bytes => vnni::QUERIES,
            Self::Pairs => pairs::QUERIES,
            Self::Floats(isa) => tile_rows(isa),
        }
    }

    /// Floats of memory that a code takes.
    pub(super) fn code(self, r: usize) -> usize {
        match self {
            Self::Bytes => r / 4,
            Self::Pairs => r / 2,
            Self::Floats(_) => r,
        }
    }

    /// Floats of memory that the codes of a panel take.
    pub(super) fn panel(self, r: usize) -> usize {
        self.rows() * self.code(r)
    }
}

/// Some rows of a layout, which hold nothing.
struct Probe {
    layout: Layout,
    data: Vec<f32>,
    biases: Vec<f32>,
}

impl Probe {
    const ROWS: usize = 8 * MAX_COLS;

    fn new(layout: Layout) -> Self {
        let panels = Self::ROWS / layout.rows();
        Self { layout, data: vec![0.0; panels * layout.panel(MOST)], biases: vec![0.0; Self::ROWS] }
    }

    /// The time of a sieve of all its rows.
    fn time(&mut self) -> Duration {
        let panels = Panels { layout: self.layout, r: MOST, data: &self.data, biases: &self.biases };
        let mut masks = [Masks::default(); Self::ROWS];
        let query = [0.0; MOST];
        let start = Instant::now();
        panels.sieve(MAX_QUERIES, [&query; MAX_QUERIES], &[i32::MAX / 256; MAX_QUERIES], &mut masks);
        start.elapsed()
    }
}

/// Codes of r numbers.
pub(super) struct Panels<'a> {
    pub(super) layout: Layout,
    pub(super) r: usize,
    pub(super) data: &'a [f32],
    /// What is added to the product of each row with a query: whole numbers, f32 beside floats, else i32.
    pub(super) biases: &'a [f32],
}

impl Panels<'_> {
    /// Masks of the rows whose bias and product reach the threshold of each of the first `n` queries, for each panel; those of other
    /// queries are as they were, or of no meaning. Queries lie as their layout has them, whole numbers with a sign. Whether there
    /// are any such rows.
    pub(super) fn sieve(
        &self,
        n: usize,
        queries: [&[f32]; MAX_QUERIES],
        thresholds: &[i32; MAX_QUERIES],
        masks: &mut [Masks],
    ) -> bool {
        let mut any = false;
        for first in (0..n).step_by(self.layout.queries()) {
            any |= self.sieve_tile(first, &queries, thresholds, masks);
        }
        any
    }

    /// As [`Self::sieve`], of the queries of one tile.
    fn sieve_tile(
        &self,
        first: usize,
        queries: &[&[f32]; MAX_QUERIES],
        thresholds: &[i32; MAX_QUERIES],
        masks: &mut [Masks],
    ) -> bool {
        match self.layout {
            Layout::Bytes => {
                let biases: &[i32] = bytemuck::cast_slice(self.biases);
                let panels = vnni::Bytes {
                    lines: bytemuck::cast_slice::<f32, u8>(self.data).as_chunks::<64>().0,
                    biases: biases.as_chunks::<16>().0,
                    steps: self.r / 4,
                };
                let queries = std::array::from_fn(|i| bytemuck::cast_slice(queries[first + i]));
                let thresholds = std::array::from_fn(|i| thresholds[first + i]);
                vnni::sieve(&panels, queries, &thresholds, first, masks)
            }
            Layout::Pairs => {
                let biases: &[i32] = bytemuck::cast_slice(self.biases);
                let panels = pairs::Pairs {
                    lines: bytemuck::cast_slice::<f32, i16>(self.data).as_chunks().0,
                    biases: biases.as_chunks().0,
                    steps: self.r / 2,
                };
                let queries = std::array::from_fn(|i| bytemuck::cast_slice(queries[first + i]));
                let thresholds = std::array::from_fn(|i| thresholds[first + i]);
                pairs::sieve(&panels, queries, &thresholds, first, masks)
            }
            Layout::Floats(isa) => {
                let mut any = false;
                tiled(isa, Floats { panels: self, first, queries, thresholds, masks, any: &mut any });
                any
            }
        }
    }
}

struct Floats<'a, 'b> {
    panels: &'a Panels<'b>,
    first: usize,
    queries: &'a [&'a [f32]; MAX_QUERIES],
    thresholds: &'a [i32; MAX_QUERIES],
    masks: &'a mut [Masks],
    any: &'a mut bool,
}

impl Tiled for Floats<'_, '_> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize>(self, simd: S) {
        let cols = 2 * S::F32_LANES;
        let first = self.first;
        let rows: [&[f32]; MR] = std::array::from_fn(|i| self.queries[first + i]);
        // Whole numbers reach a threshold where they exceed it less a half.
        let least: [f32; MR] = std::array::from_fn(|i| self.thresholds[first + i] as f32 - 0.5);
        let data = self.panels.data.chunks_exact(self.panels.r * cols);
        for ((panel, biases), masks) in data.zip(self.panels.biases.chunks_exact(cols)).zip(self.masks) {
            let biases = S::as_simd_f32s(biases).0;
            let sums = tile::<S, MR>(simd, rows, panel);
            for ((sum, least), mask) in sums.iter().zip(&least).zip(&mut masks[first..]) {
                let sum = [0, 1].map(|v| simd.add_f32s(sum[v], biases[v]));
                let bound = simd.splat_f32s(*least);
                let reached = sum.map(|sum| simd.first_true_m32s(simd.less_than_f32s(bound, sum)));
                *mask = 0;
                if reached == [S::F32_LANES; 2] {
                    continue;
                }
                let mut line = [0.0_f32; MAX_COLS];
                S::as_mut_simd_f32s(&mut line).0[..2].copy_from_slice(&sum);
                for (lane, sum) in line[..cols].iter().enumerate() {
                    *mask |= u32::from(sum > least) << lane;
                }
                *self.any |= *mask != 0;
            }
        }
    }
}
