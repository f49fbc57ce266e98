//! The plan for the antialiased fits: which samples are filtered how, and in which order.

use rayon::prelude::*;

use super::filter::Filter;
use super::{Geometry, PixelRect, Place, PreprocessSpec, cpu};
use crate::color::ToRgb;
use crate::frame::{Frame, Plane};
use crate::grid::Grid;
use crate::layout::{self, Channel, Family, Samples, Word};
use crate::simd;

/// Rows of the output that one task makes.
const BAND: usize = 14;

/// One plane read: its rows are summed with the weights of `y`, then `picks` take their components from the sum.
/// Packed 4:2:2 has luma and chroma in one plane, so one pass can have two picks.
#[derive(Debug)]
struct Pass {
    plane: usize,
    samples: usize,
    stored: Samples,
    y: Filter,
    picks: Vec<Pick>,
}

/// Channels that lie on one grid, `step` samples apart; each is its offset within the step and its number.
#[derive(Debug)]
struct Pick {
    x: Filter,
    step: usize,
    channels: Vec<(usize, usize)>,
}

#[derive(Debug)]
pub(super) struct TrianglePlan {
    passes: Vec<Pass>,
    inner: PixelRect,
    size: Grid,
    finish: cpu::Finish,
    /// For each band: one line of sums, then three lines of resampled channels.
    scratch: Vec<f32>,
    line: usize,
}

impl TrianglePlan {
    pub(super) fn new(spec: &PreprocessSpec, geometry: Geometry, place: Place) -> Self {
        let Place { inner, size, .. } = place;
        let passes = passes(geometry, place);
        let line = passes.iter().map(|pass| pass.samples).max().unwrap_or(0);
        let bands = inner.height.div_ceil(BAND);
        let scratch = vec![0.0; bands * (line + 3 * inner.width)];
        let finish = cpu::Finish {
            family: layout::family(geometry.format),
            to_rgb: ToRgb::new(geometry.colorimetry, layout::samples(geometry.format)),
            scale: std::array::from_fn(|c| 1.0 / (255.0 * spec.std[c])),
            offset: std::array::from_fn(|c| -spec.mean[c] / spec.std[c]),
        };
        Self { passes, inner, size, finish, scratch, line }
    }

    pub(super) fn run(&mut self, frame: &Frame, out: &mut [f32]) {
        let Self { passes, inner, size, finish, scratch, line } = self;
        let (inner, line, finish, passes) = (*inner, *line, &*finish, &*passes);
        let Grid { rows, columns: width } = *size;
        if inner.width < width || inner.height < rows {
            out.fill(0.0);
        }
        let area = inner.y * width..(inner.y + inner.height) * width;
        let (r, rest) = out.split_at_mut(rows * width);
        let (g, b) = rest.split_at_mut(rows * width);
        let [r, g, b] = [r, g, b].map(|plane| plane[area.clone()].par_chunks_mut(BAND * width));
        let scratch = scratch.par_chunks_mut(line + 3 * inner.width);
        (r, g, b, scratch).into_par_iter().enumerate().for_each(|(band, (r, g, b, scratch))| {
            let (sums, lines) = scratch.split_at_mut(line);
            let columns = inner.x..inner.x + inner.width;
            let rows =
                r.chunks_exact_mut(width).zip(g.chunks_exact_mut(width)).zip(b.chunks_exact_mut(width));
            for (i, ((r, g), b)) in rows.enumerate() {
                resample(passes, frame.planes(), band * BAND + i, sums, lines);
                let out = [&mut r[columns.clone()], &mut g[columns.clone()], &mut b[columns.clone()]];
                simd::dispatch(
                    #[inline(always)]
                    || cpu::finish(finish, lines, out),
                );
            }
        });
    }
}

/// Fills `lines` with the channels of result row `o`, one after the other.
fn resample(passes: &[Pass], planes: &[Plane], o: usize, sums: &mut [f32], lines: &mut [f32]) {
    for pass in passes {
        let (start, weights) = pass.y.result(o);
        let plane = &planes[pass.plane];
        let rows = &plane.data[start * plane.stride..];
        let sums = &mut sums[..pass.samples];
        simd::dispatch(
            #[inline(always)]
            || {
                let mask = pass.stored.max() << pass.stored.shift;
                match pass.stored.word {
                    Word::Byte => cpu::sum_rows_u8(rows, plane.stride, weights, sums),
                    Word::Little => {
                        cpu::sum_rows_u16(u16::from_le_bytes, rows, plane.stride, mask, weights, sums);
                    }
                    Word::Big => {
                        cpu::sum_rows_u16(u16::from_be_bytes, rows, plane.stride, mask, weights, sums);
                    }
                    Word::Third => cpu::sum_rows_thirds(rows, plane.stride, weights, sums),
                }
                for pick in &pass.picks {
                    cpu::pick(sums, &pick.x, pick.step, &pick.channels, lines);
                }
            },
        );
    }
}

/// Groups the channels of the format: one pass a plane, one pick a grid of it.
fn passes(geometry: Geometry, Place { source, inner, .. }: Place) -> Vec<Pass> {
    let stored = layout::samples(geometry.format);
    let bytes = if stored.word == Word::Byte { 1 } else { 2 };
    let grey = layout::family(geometry.format) == Family::Grey;
    let all = layout::channels(geometry.format);
    let site = geometry.colorimetry.site;
    let mut passes: Vec<Pass> = Vec::new();
    for (number, channel) in all.iter().enumerate().take(if grey { 1 } else { 3 }) {
        let index = passes.iter().position(|pass| pass.plane == channel.plane).unwrap_or_else(|| {
            let row = geometry.format.plane_size(channel.plane, geometry.width, 1).map_or(0, |size| size.0);
            let samples = if stored.word == Word::Third { geometry.width } else { row / bytes };
            let y = axis(inner.height, source.y, source.height, channel.shift_y, site.y, 1);
            passes.push(Pass { plane: channel.plane, samples, stored, y, picks: Vec::new() });
            passes.len() - 1
        });
        let picks = &mut passes[index].picks;
        let (step, offset) = (channel.step / bytes, channel.offset / bytes);
        match picks.iter_mut().find(|pick| pick.step == step) {
            Some(pick) => pick.channels.push((offset, number)),
            None => {
                let multiple = if step == 1 { cpu::LANES } else { 1 };
                let x = axis(inner.width, source.x, source.width, channel.shift_x, site.x, multiple);
                picks.push(Pick { x, step, channels: vec![(offset, number)] });
            }
        }
    }
    passes
}

/// The filter from pixels `first..first + length` to `n` results, on the grid of a channel that is subsampled by
/// `shift` and whose first sample lies `site` pixels after the first pixel.
pub(super) fn axis(
    n: usize,
    first: usize,
    length: usize,
    shift: usize,
    site: f32,
    multiple: usize,
) -> Filter {
    let scale = length as f64 / n as f64;
    if shift == 0 {
        return Filter::triangle(n, first as f64, scale, first..first + length, multiple);
    }
    // Pixel i is centred on i + 0.5 and sample k on 2 k + site + 0.5.
    let origin = (first as f64 - f64::from(site) - 0.5) / 2.0 + 0.5;
    let range = first >> shift..Channel::count(first + length, shift);
    Filter::triangle(n, origin, scale / 2.0, range, multiple)
}
