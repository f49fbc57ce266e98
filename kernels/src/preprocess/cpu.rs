//! The loops of the antialiased fits. All are inlined into a SIMD dispatch of the caller.

use super::filter::Filter;
use crate::color::ToRgb;
use crate::layout::Family;

/// Samples whose sums stay in registers while the rows are walked.
const BLOCK: usize = 64;
/// Samples that one step of the horizontal pass multiplies where they lie side by side.
pub(super) const LANES: usize = 8;

/// From resampled channels to normalised colours.
#[derive(Debug)]
pub(super) struct Finish {
    pub family: Family,
    pub to_rgb: ToRgb,
    /// Multiplies a colour in 0..255.
    pub scale: [f32; 3],
    /// Is added after it.
    pub offset: [f32; 3],
}

/// `sums[i] = sum over t of weights[t] * rows[t * stride + i]`.
#[inline(always)]
pub(super) fn sum_rows_u8(rows: &[u8], stride: usize, weights: &[f32], sums: &mut [f32]) {
    let (blocks, rest) = sums.as_chunks_mut::<BLOCK>();
    let done = blocks.len() * BLOCK;
    for (i, block) in blocks.iter_mut().enumerate() {
        let mut sum = [0.0; BLOCK];
        for (t, &w) in weights.iter().enumerate() {
            let Some(row) = rows[t * stride + i * BLOCK..].first_chunk::<BLOCK>() else { continue };
            for (s, &v) in sum.iter_mut().zip(row) {
                *s += w * f32::from(v);
            }
        }
        *block = sum;
    }
    rest.fill(0.0);
    for (t, &w) in weights.iter().enumerate() {
        for (s, &v) in rest.iter_mut().zip(&rows[t * stride + done..]) {
            *s += w * f32::from(v);
        }
    }
}

/// As [`sum_rows_u8`] for 16-bit words, of which the bits of `mask` count; `stride` stays in bytes.
#[inline(always)]
pub(super) fn sum_rows_u16(
    word: impl Fn([u8; 2]) -> u16,
    rows: &[u8],
    stride: usize,
    mask: u16,
    weights: &[f32],
    sums: &mut [f32],
) {
    sums.fill(0.0);
    for (t, &w) in weights.iter().enumerate() {
        let (row, _) = rows[t * stride..].as_chunks::<2>();
        for (s, &v) in sums.iter_mut().zip(row) {
            *s += w * f32::from(word(v) & mask);
        }
    }
}

/// As [`sum_rows_u8`] for three 10-bit samples in each little-endian 32-bit word.
#[inline(always)]
pub(super) fn sum_rows_thirds(rows: &[u8], stride: usize, weights: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for (t, &w) in weights.iter().enumerate() {
        let (row, _) = rows[t * stride..].as_chunks::<4>();
        for (sums, &word) in sums.chunks_mut(3).zip(row) {
            let word = u32::from_le_bytes(word);
            for (s, shift) in sums.iter_mut().zip([0, 10, 20]) {
                *s += w * f32::from((word >> shift) as u16 & 0x3ff);
            }
        }
    }
}

/// Filters one line of sums along x and writes each channel to its line of `lines`.
#[inline(always)]
pub(super) fn pick(
    sums: &[f32],
    filter: &Filter,
    step: usize,
    channels: &[(usize, usize)],
    lines: &mut [f32],
) {
    match step {
        1 => pick_lanes(sums, filter, channels, lines),
        2 => pick_steps::<2>(sums, filter, channels, lines),
        3 => pick_steps::<3>(sums, filter, channels, lines),
        _ => pick_steps::<4>(sums, filter, channels, lines),
    }
}

/// Samples side by side are multiplied [`LANES`] at a time; the table is padded with zeros for it.
#[inline(always)]
fn pick_lanes(sums: &[f32], filter: &Filter, channels: &[(usize, usize)], lines: &mut [f32]) {
    if !filter.taps.is_multiple_of(LANES) {
        return pick_steps::<1>(sums, filter, channels, lines);
    }
    let width = filter.starts.len();
    let (weights, _) = filter.weights.as_chunks::<LANES>();
    let weights = weights.chunks_exact(filter.taps / LANES);
    let Some(&(_, channel)) = channels.first() else { return };
    let line = &mut lines[channel * width..][..width];
    for ((out, &start), weights) in line.iter_mut().zip(&filter.starts).zip(weights) {
        let (samples, _) = sums[start..][..filter.taps].as_chunks::<LANES>();
        let mut sum = [0.0; LANES];
        for (samples, weights) in samples.iter().zip(weights) {
            for ((s, &v), &w) in sum.iter_mut().zip(samples).zip(weights) {
                *s += w * v;
            }
        }
        let four: [f32; 4] = std::array::from_fn(|i| sum[i] + sum[i + 4]);
        *out = (four[0] + four[2]) + (four[1] + four[3]);
    }
}

/// All `STEP` components are summed side by side, which costs no more than one of them.
#[inline(always)]
fn pick_steps<const STEP: usize>(
    sums: &[f32],
    filter: &Filter,
    channels: &[(usize, usize)],
    lines: &mut [f32],
) {
    let (pixels, _) = sums.as_chunks::<STEP>();
    let width = filter.starts.len();
    for (o, &start) in filter.starts.iter().enumerate() {
        let weights = &filter.weights[o * filter.taps..][..filter.taps];
        let mut sum = [0.0; STEP];
        for (pixel, &w) in pixels[start..][..filter.taps].iter().zip(weights) {
            for (s, &v) in sum.iter_mut().zip(pixel) {
                *s += w * v;
            }
        }
        for &(offset, channel) in channels {
            lines[channel * width + o] = sum[offset];
        }
    }
}

/// Converts the three lines of resampled channels to normalised colours.
#[inline(always)]
pub(super) fn finish(finish: &Finish, lines: &[f32], out: [&mut [f32]; 3]) {
    let [r, g, b] = out;
    let n = r.len();
    let (first, rest) = lines.split_at(n);
    let (second, third) = rest.split_at(n);
    let (to_rgb, scale, offset) = (finish.to_rgb, finish.scale, finish.offset);
    let colours = first.iter().zip(second).zip(third);
    let pixels = r.iter_mut().zip(&mut *g).zip(&mut *b).zip(colours);
    match finish.family {
        Family::Rgb => pixels.for_each(|(((r, g), b), ((&x, &y), &z))| {
            *r = x * scale[0] + offset[0];
            *g = y * scale[1] + offset[1];
            *b = z * scale[2] + offset[2];
        }),
        Family::Ycbcr => pixels.for_each(|(((r, g), b), ((&x, &y), &z))| {
            let rgb = to_rgb.rgb(x, y, z);
            *r = rgb[0] * scale[0] + offset[0];
            *g = rgb[1] * scale[1] + offset[1];
            *b = rgb[2] * scale[2] + offset[2];
        }),
        Family::Grey => pixels.for_each(|(((r, g), b), ((&x, _), _))| {
            let v = to_rgb.grey(x);
            *r = v * scale[0] + offset[0];
            *g = v * scale[1] + offset[1];
            *b = v * scale[2] + offset[2];
        }),
    }
}
