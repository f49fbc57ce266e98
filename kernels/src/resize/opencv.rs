//! OpenCV's 8-bit `INTER_LINEAR`.

use rayon::prelude::*;

use super::{Size, check_sizes};
use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};
use crate::simd;

const OP: &str = "opencv_linear";

/// Weights are multiples of 1 / 2048.
const ONE: f32 = 2048.0;
/// Rows of the result that one task makes.
const BAND: usize = 32;

/// The two source samples of each result along one axis and their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Axis {
    pub samples: Vec<[usize; 2]>,
    pub weights: Vec<[i32; 2]>,
}

impl Axis {
    /// The horizontal rule: outside the samples the weight of the second one is dropped.
    pub(crate) fn horizontal(src: usize, dst: usize) -> Self {
        Self::new(src, dst, |i, f| if i < 0 || i >= src as i64 - 1 { 0.0 } else { f })
    }

    /// The vertical rule: outside the samples both are the same one, and the weights keep their fraction.
    pub(crate) fn vertical(src: usize, dst: usize) -> Self {
        Self::new(src, dst, |_, f| f)
    }

    fn new(src: usize, dst: usize, fraction: impl Fn(i64, f32) -> f32) -> Self {
        let scale = 1.0 / (dst as f64 / src as f64);
        let clamped = |i: i64| i.clamp(0, src as i64 - 1) as usize;
        let result = |d: usize| {
            let c = ((d as f64 + 0.5) * scale - 0.5) as f32;
            let (i, f) = (c.floor() as i64, c - c.floor());
            let f = fraction(i, f);
            let weight = |part: f32| (part * ONE).round_ties_even() as i32;
            ([clamped(i), clamped(i + 1)], [weight(1.0 - f), weight(f)])
        };
        let (samples, weights) = (0..dst).map(result).unzip();
        Self { samples, weights }
    }
}

/// The vertical step for one pair of horizontal sums, with OpenCV's two roundings.
#[inline(always)]
pub(crate) fn vertical(h: [i32; 2], weights: [i32; 2]) -> i32 {
    (((weights[0] * (h[0] >> 4)) >> 16) + ((weights[1] * (h[1] >> 4)) >> 16) + 2) >> 2
}

/// A resize between two fixed sizes, with its tables and scratch.
#[derive(Debug)]
pub struct OpencvLinear {
    src: Size,
    dst: Size,
    channels: usize,
    x: Axis,
    y: Axis,
    /// Two lines of horizontal sums for each band.
    scratch: Vec<i32>,
}

impl OpencvLinear {
    /// Makes the tables.
    ///
    /// # Errors
    /// When a side or the number of channels is 0.
    pub fn new(src: Size, dst: Size, channels: usize) -> Result<Self> {
        check_sizes(src, dst, channels)?;
        let pixels = Axis::horizontal(src.width, dst.width);
        let each = |i: usize| pixels.samples[i / channels].map(|sample| sample * channels + i % channels);
        let n = dst.width * channels;
        let x = Axis {
            samples: (0..n).map(each).collect(),
            weights: (0..n).map(|i| pixels.weights[i / channels]).collect(),
        };
        let y = Axis::vertical(src.height, dst.height);
        let scratch = vec![0; dst.height.div_ceil(BAND) * 2 * n];
        Ok(Self { src, dst, channels, x, y, scratch })
    }

    /// Resizes one image.
    ///
    /// # Errors
    /// When a slice has another length than its size asks for, or an operand lives on a device.
    pub fn run<'a>(
        &mut self,
        src: impl Into<BufferView<'a, u8>>,
        dst: impl Into<BufferViewMut<'a, u8>>,
    ) -> Result<()> {
        let (src, dst) = (src.into().host(OP)?, dst.into().host(OP)?);
        check_len(OP, "a source", self.src.bytes(self.channels), src.len())?;
        check_len(OP, "a destination", self.dst.bytes(self.channels), dst.len())?;
        let (n, stride, x, y) =
            (self.dst.width * self.channels, self.src.width * self.channels, &self.x, &self.y);
        let bands = dst.par_chunks_mut(BAND * n).zip(self.scratch.par_chunks_mut(2 * n));
        bands.enumerate().for_each(|(band, (rows, scratch))| {
            let mut lines = Lines::new(scratch);
            for (row, o) in rows.chunks_exact_mut(n).zip(band * BAND..) {
                let samples = y.samples[o];
                for sample in samples {
                    lines.fill(sample, |line| sum_line(&src[sample * stride..][..stride], x, line));
                }
                let lines = samples.map(|sample| lines.get(sample));
                simd::dispatch(
                    #[inline(always)]
                    || mix(lines, y.weights[o], row),
                );
            }
        });
        Ok(())
    }
}

/// Two lines that remember which source row they hold. Neighbouring rows differ in parity, so each parity has its
/// own line and enlarging makes every source row only once.
pub(crate) struct Lines<'a, T> {
    lines: [&'a mut [T]; 2],
    rows: [Option<usize>; 2],
}

impl<'a, T> Lines<'a, T> {
    pub(crate) fn new(scratch: &'a mut [T]) -> Self {
        let (even, odd) = scratch.split_at_mut(scratch.len() / 2);
        Self { lines: [even, odd], rows: [None; 2] }
    }

    /// Makes sure that `row` is there.
    pub(crate) fn fill(&mut self, row: usize, make: impl FnOnce(&mut [T])) {
        if self.rows[row % 2] != Some(row) {
            make(self.lines[row % 2]);
            self.rows[row % 2] = Some(row);
        }
    }

    pub(crate) fn get(&self, row: usize) -> &[T] {
        self.lines[row % 2]
    }
}

fn sum_line(row: &[u8], x: &Axis, line: &mut [i32]) {
    for ((h, s), w) in line.iter_mut().zip(&x.samples).zip(&x.weights) {
        *h = i32::from(row[s[0]]) * w[0] + i32::from(row[s[1]]) * w[1];
    }
}

#[inline(always)]
fn mix(lines: [&[i32]; 2], weights: [i32; 2], row: &mut [u8]) {
    for ((out, &h0), &h1) in row.iter_mut().zip(lines[0]).zip(lines[1]) {
        *out = vertical([h0, h1], weights) as u8;
    }
}
