//! The plan of [`super::Fit::Paper`]: OpenCV's bilinear to a larger square and its central crop, from any format.

use rayon::prelude::*;

use super::{Geometry, Place, PreprocessSpec};
use crate::color::{ToRgb, whole};
use crate::frame::{Frame, Plane};
use crate::layout::{self, Channel, Family, Samples, Word};
use crate::resize::{Axis, Lines, vertical};
use crate::simd;

/// Rows of the output that one task makes.
const BAND: usize = 14;
/// Results whose bytes are made together, before the values are looked up.
const BLOCK: usize = 32;

/// First row and column of the central crop.
pub(super) fn crop_start(resize: usize, side: usize) -> usize {
    (resize - side) / 2
}

#[derive(Debug)]
pub(super) struct PaperPlan {
    side: usize,
    pixels: Pixels,
    /// Weights of the two columns of each result.
    across: Vec<[f32; 2]>,
    /// Rows of each result and their weights.
    rows: Axis,
    /// The normalised value of each byte, for each channel.
    values: Box<[[f32; 256]; 3]>,
    /// For each band: fetched samples, then two lines of horizontal sums.
    samples: Vec<f32>,
    sums: Vec<i32>,
}

/// How the pixels of one row become 8-bit RGB.
#[derive(Debug)]
struct Pixels {
    family: Family,
    stored: Samples,
    channels: [Channel; 3],
    to_rgb: ToRgb,
    /// For each channel where in a row the left samples of all results are, then the right ones: their first bytes, or
    /// the numbers of samples that share words.
    columns: [Vec<u32>; 3],
}

impl PaperPlan {
    pub(super) fn new(spec: &PreprocessSpec, resize: usize, geometry: Geometry, place: Place) -> Self {
        let (side, source) = (place.size.columns, place.source);
        let crop = |axis: Axis, first: usize, origin: usize| Axis {
            samples: axis.samples[first..][..side].iter().map(|s| s.map(|s| s + origin)).collect(),
            weights: axis.weights[first..][..side].to_vec(),
        };
        let x = crop(Axis::horizontal(source.width, resize), place.crop[0], source.x);
        let rows = crop(Axis::vertical(source.height, resize), place.crop[1], source.y);
        let stored = layout::samples(geometry.format);
        let to_rgb = ToRgb::new(geometry.colorimetry, stored);
        let channels = layout::channels(geometry.format);
        let columns = channels.map(|channel| {
            let ends = [0, 1].into_iter().flat_map(|end| x.samples.iter().map(move |s| s[end]));
            let place = |column| match stored.word {
                Word::Third => column,
                _ => channel.at(0, column, 0),
            };
            ends.map(|column| place(column) as u32).collect()
        });
        let family = layout::family(geometry.format);
        let pixels = Pixels { family, stored, channels, to_rgb, columns };
        let across = x.weights.iter().map(|w| w.map(|w| w as f32)).collect();
        let value = |c: usize, v: usize| (v as f32 / 255.0 - spec.mean[c]) / spec.std[c];
        let values = Box::new(std::array::from_fn(|c| std::array::from_fn(|v| value(c, v))));
        let (samples, sums) =
            (vec![0.0; side.div_ceil(BAND) * 6 * side], vec![0; side.div_ceil(BAND) * 6 * side]);
        Self { side, pixels, across, rows, values, samples, sums }
    }

    pub(super) fn run(&mut self, frame: &Frame, out: &mut [f32]) {
        let Self { side, pixels, across, rows, values, samples, sums } = self;
        let (side, pixels, across, rows, values) = (*side, &*pixels, &*across, &*rows, &*values);
        let (r, rest) = out.split_at_mut(side * side);
        let (g, b) = rest.split_at_mut(side * side);
        let [r, g, b] = [r, g, b].map(|plane| plane.par_chunks_mut(BAND * side));
        let scratch = (samples.par_chunks_mut(6 * side), sums.par_chunks_mut(6 * side));
        (r, g, b, scratch.0, scratch.1).into_par_iter().enumerate().for_each(
            |(band, (r, g, b, samples, sums))| {
                let mut lines = Lines::new(sums);
                for i in 0..r.len() / side {
                    let o = band * BAND + i;
                    for row in rows.samples[o] {
                        lines.fill(row, |line| sum_row(pixels, frame.planes(), row, across, samples, line));
                    }
                    let lines = rows.samples[o].map(|row| lines.get(row));
                    for (c, plane) in [&mut *r, &mut *g, &mut *b].into_iter().enumerate() {
                        let lines = lines.map(|line| &line[c * side..][..side]);
                        mix(lines, rows.weights[o], &values[c], &mut plane[i * side..][..side]);
                    }
                }
            },
        );
    }
}

/// Horizontal sums of one source row: three lines, R, G, B.
fn sum_row(
    pixels: &Pixels,
    planes: &[Plane],
    row: usize,
    across: &[[f32; 2]],
    samples: &mut [f32],
    line: &mut [i32],
) {
    let n = 2 * across.len();
    let lines = samples.chunks_exact_mut(n).zip(&pixels.channels).zip(&pixels.columns);
    for ((out, channel), columns) in lines {
        let plane = &planes[channel.plane];
        let data = &plane.data[(row >> channel.shift_y) * plane.stride..];
        let places = out.iter_mut().zip(columns.iter().map(|&at| at as usize));
        let stored = pixels.stored;
        match stored.word {
            Word::Byte => places.for_each(|(v, at)| *v = f32::from(data[at])),
            Word::Little | Word::Big => places.for_each(|(v, at)| {
                *v = f32::from(stored.of_word([data[at], data[at + 1]]) << stored.shift);
            }),
            Word::Third => places.for_each(|(v, x)| *v = f32::from(layout::third(data, x))),
        }
    }
    simd::dispatch(
        #[inline(always)]
        || {
            convert(pixels, samples);
            for (samples, line) in samples.chunks_exact(n).zip(line.chunks_exact_mut(n / 2)) {
                let (left, right) = samples.split_at(n / 2);
                for (((h, &l), &r), w) in line.iter_mut().zip(left).zip(right).zip(across) {
                    // At most 255 * 2048, so that f32 is exact.
                    *h = whole(l * w[0] + r * w[1]);
                }
            }
        },
    );
}

/// Turns fetched samples into whole R, G, B levels.
#[inline(always)]
fn convert(pixels: &Pixels, samples: &mut [f32]) {
    let n = samples.len() / 3;
    let (first, rest) = samples.split_at_mut(n);
    let (second, third) = rest.split_at_mut(n);
    let all = first.iter_mut().zip(second).zip(third);
    let to_rgb = pixels.to_rgb;
    match pixels.family {
        Family::Rgb => {}
        Family::Ycbcr => all.for_each(|((x, y), z)| {
            let [r, g, b] = to_rgb.rgb(*x, *y, *z).map(|v| whole(v) as f32);
            (*x, *y, *z) = (r, g, b);
        }),
        Family::Grey => all.for_each(|((x, y), z)| {
            let v = whole(to_rgb.grey(*x)) as f32;
            (*x, *y, *z) = (v, v, v);
        }),
    }
}

/// Vertical step of one line, and the normalised value of each byte of it.
#[inline(always)]
fn mix(lines: [&[i32]; 2], weights: [i32; 2], values: &[f32; 256], out: &mut [f32]) {
    for ((out, above), below) in out.chunks_mut(BLOCK).zip(lines[0].chunks(BLOCK)).zip(lines[1].chunks(BLOCK))
    {
        let mut bytes = [0_u8; BLOCK];
        for ((byte, &h0), &h1) in bytes.iter_mut().zip(above).zip(below) {
            *byte = vertical([h0, h1], weights) as u8;
        }
        for (out, &byte) in out.iter_mut().zip(&bytes) {
            *out = values[usize::from(byte)];
        }
    }
}
