//! Pillow's antialiased 8-bit `BILINEAR`.

use rayon::prelude::*;

use super::{Size, check_sizes};
use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};
use crate::simd;

const OP: &str = "pil_bilinear";

/// Weights are multiples of 2^-22.
const BITS: u32 = 22;
/// Rows that one task makes.
const BAND: usize = 32;
/// Results whose sums are kept at once in the vertical pass.
const BLOCK: usize = 64;

/// For each result the first sample and the weights from there on; ranges differ in length at the borders.
#[derive(Debug)]
struct Axis {
    starts: Vec<usize>,
    /// End of the weights of each result in `weights`.
    ends: Vec<usize>,
    weights: Vec<i32>,
}

impl Axis {
    fn new(src: usize, dst: usize) -> Self {
        let scale = src as f64 / dst as f64;
        let support = scale.max(1.0);
        let mut axis = Self { starts: Vec::new(), ends: Vec::new(), weights: Vec::new() };
        for o in 0..dst {
            let centre = (o as f64 + 0.5) * scale;
            // The casts truncate as Pillow's do, and what is below 0 becomes 0.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(src);
            let weight = |k: usize| (1.0 - ((k as f64 - centre + 0.5) * (1.0 / support)).abs()).max(0.0);
            let sum: f64 = (start..end).map(weight).sum();
            let quantised = |k: usize| (0.5 + weight(k) / sum * f64::from(1 << BITS)) as i32;
            axis.weights.extend((start..end).map(quantised));
            axis.starts.push(start);
            axis.ends.push(axis.weights.len());
        }
        axis
    }

    fn result(&self, o: usize) -> (usize, &[i32]) {
        let first = if o == 0 { 0 } else { self.ends[o - 1] };
        (self.starts[o], &self.weights[first..self.ends[o]])
    }
}

/// A resize between two fixed sizes, with its tables and scratch.
#[derive(Debug)]
pub struct PilBilinear {
    src: Size,
    dst: Size,
    channels: usize,
    x: Axis,
    y: Axis,
    /// The image after the horizontal pass.
    narrow: Vec<u8>,
}

impl PilBilinear {
    /// Makes the tables.
    ///
    /// # Errors
    /// When a side or the number of channels is 0.
    pub fn new(src: Size, dst: Size, channels: usize) -> Result<Self> {
        check_sizes(src, dst, channels)?;
        let (x, y) = (Axis::new(src.width, dst.width), Axis::new(src.height, dst.height));
        Ok(Self { src, dst, channels, x, y, narrow: vec![0; dst.width * src.height * channels] })
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
        let (n, stride, channels) =
            (self.dst.width * self.channels, self.src.width * self.channels, self.channels);
        let (x, y) = (&self.x, &self.y);
        let bands = self.narrow.par_chunks_mut(BAND * n).zip(src.par_chunks(BAND * stride));
        bands.for_each(|(out, rows)| {
            for (out, row) in out.chunks_exact_mut(n).zip(rows.chunks_exact(stride)) {
                narrow_row(row, x, channels, out);
            }
        });
        let narrow = &self.narrow;
        dst.par_chunks_mut(n).enumerate().for_each(|(o, out)| {
            let (start, weights) = y.result(o);
            simd::dispatch(
                #[inline(always)]
                || sum_rows(&narrow[start * n..], n, weights, out),
            );
        });
        Ok(())
    }
}

#[inline(always)]
fn rounded(sum: i32) -> u8 {
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

fn narrow_row(row: &[u8], x: &Axis, channels: usize, out: &mut [u8]) {
    for (o, pixel) in out.chunks_exact_mut(channels).enumerate() {
        let (start, weights) = x.result(o);
        for (c, out) in pixel.iter_mut().enumerate() {
            let samples = row[start * channels + c..].iter().step_by(channels);
            *out = rounded(samples.zip(weights).map(|(&v, &w)| i32::from(v) * w).sum());
        }
    }
}

#[inline(always)]
fn sum_rows(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
    for (i, out) in out.chunks_mut(BLOCK).enumerate() {
        let mut sums = [0_i32; BLOCK];
        for (t, &w) in weights.iter().enumerate() {
            let row = &rows[t * stride + i * BLOCK..][..out.len()];
            for (s, &v) in sums.iter_mut().zip(row) {
                *s += w * i32::from(v);
            }
        }
        for (out, &s) in out.iter_mut().zip(&sums) {
            *out = rounded(s);
        }
    }
}
