//! The drawing loops: one for whole pixels, one for luma, one for subsampled chroma.

use super::{Clip, Tile};
use crate::color::{FromRgb, whole};
use crate::device::BufferView;
use crate::error::Result;
use crate::frame::{FrameMut, PlaneMut};
use crate::layout::{self, Channel, Family, Samples, Word};
use crate::simd;

/// Chroma samples whose sums are kept at once.
const BLOCK: usize = 64;

/// Draws `tile` on `frame`.
///
/// # Errors
/// When the tile has too few bytes for its size and stride, or lives on a device.
pub fn blend<'a>(frame: &mut FrameMut, tile: Tile<impl Into<BufferView<'a, u8>>>) -> Result<()> {
    let tile = &tile.host()?;
    tile.check_room(tile.pixels.len())?;
    let (width, height, format) = (frame.width(), frame.height(), frame.format());
    let Some(clip) = tile.clip(width, height) else { return Ok(()) };
    let samples = layout::samples(format);
    let weights = FromRgb::new(frame.colorimetry(), samples);
    let channels = layout::channels(format);
    let planes = frame.planes_mut();
    simd::dispatch(
        #[inline(always)]
        || match layout::family(format) {
            Family::Rgb => pixels(&mut planes[0], channels, tile, &clip),
            Family::Grey => luma(&mut planes[0], channels[0], samples, weights.y, tile, &clip),
            Family::Ycbcr => {
                luma(&mut planes[channels[0].plane], channels[0], samples, weights.y, tile, &clip);
                let (pair, colours) = ([channels[1], channels[2]], [weights.cb, weights.cr]);
                if channels[1].shift_x == 0 {
                    for (channel, weights) in pair.into_iter().zip(colours) {
                        luma(&mut planes[channel.plane], channel, samples, weights, tile, &clip);
                    }
                } else {
                    chroma(planes, pair, samples, colours, tile, &clip, [width, height]);
                }
            }
        },
    );
    Ok(())
}

/// `(dst * (255 - a) + colour * a) / 255`, rounded, in whole numbers.
#[inline(always)]
fn mix(dst: u8, colour: u8, a: u8) -> u8 {
    let sum = u32::from(dst) * (255 - u32::from(a)) + u32::from(colour) * u32::from(a) + 128;
    ((sum + (sum >> 8)) >> 8) as u8
}

#[inline(always)]
fn pixels(plane: &mut PlaneMut, channels: [Channel; 3], tile: &Tile<&[u8]>, clip: &Clip) {
    let step = channels[0].step;
    for i in 0..clip.height {
        let at = (clip.y + i) * plane.stride + clip.x * step;
        let (row, tile) = (&mut plane.data[at..][..clip.width * step], tile.row(clip, i));
        match (step, channels.map(|channel| channel.offset)) {
            (3, [0, 1, 2]) => pixel_row::<3, 0, 1, 2>(row, tile),
            (3, _) => pixel_row::<3, 2, 1, 0>(row, tile),
            (_, [0, 1, 2]) => pixel_row::<4, 0, 1, 2>(row, tile),
            (_, [2, 1, 0]) => pixel_row::<4, 2, 1, 0>(row, tile),
            (_, [1, 2, 3]) => pixel_row::<4, 1, 2, 3>(row, tile),
            _ => pixel_row::<4, 3, 2, 1>(row, tile),
        }
    }
}

/// Whole pixels are read and written, since a store that leaves out the alpha byte is not vectorised.
#[inline(always)]
fn pixel_row<const STEP: usize, const R: usize, const G: usize, const B: usize>(row: &mut [u8], tile: &[u8]) {
    let (pixels, _) = row.as_chunks_mut::<STEP>();
    for (pixel, &[r, g, b, a]) in pixels.iter_mut().zip(tile.as_chunks::<4>().0) {
        let mut mixed = *pixel;
        mixed[R] = mix(pixel[R], r, a);
        mixed[G] = mix(pixel[G], g, a);
        mixed[B] = mix(pixel[B], b, a);
        *pixel = mixed;
    }
}

/// The sample of a colour, before rounding.
#[inline(always)]
fn sample(w: [f32; 4], [r, g, b]: [u8; 3]) -> f32 {
    w[0] * f32::from(r) + w[1] * f32::from(g) + w[2] * f32::from(b) + w[3]
}

/// A channel that has a sample for each pixel.
#[inline(always)]
fn luma(
    plane: &mut PlaneMut,
    channel: Channel,
    samples: Samples,
    weights: [f32; 4],
    tile: &Tile<&[u8]>,
    clip: &Clip,
) {
    let most = f32::from(samples.max());
    for i in 0..clip.height {
        let (y, tile) = (clip.y + i, tile.row(clip, i));
        let at = channel.at(plane.stride, clip.x, y);
        match samples.word {
            Word::Byte => {
                // The last sample of a packed row is not followed by a whole step.
                let row = &mut plane.data[at..][..(clip.width - 1) * channel.step + 1];
                match channel.step {
                    1 => luma_row(row.iter_mut(), weights, tile),
                    step => luma_row(row.iter_mut().step_by(step), weights, tile),
                }
            }
            Word::Little | Word::Big => {
                let (row, _) = plane.data[at..][..2 * clip.width].as_chunks_mut::<2>();
                for (word, &pixel) in row.iter_mut().zip(tile.as_chunks::<4>().0) {
                    let mixed = mix_sample(f32::from(samples.of_word(*word)), weights, pixel, most);
                    samples.into_word(word, mixed as u16);
                }
            }
            Word::Third => {
                let row = &mut plane.data[y * plane.stride..];
                for (x, &pixel) in (clip.x..).zip(tile.as_chunks::<4>().0) {
                    let mixed = mix_sample(f32::from(layout::third(row, x)), weights, pixel, most);
                    layout::set_third(row, x, mixed as u16);
                }
            }
        }
    }
}

#[inline(always)]
fn luma_row<'a>(row: impl Iterator<Item = &'a mut u8>, weights: [f32; 4], tile: &[u8]) {
    for (y, &pixel) in row.zip(tile.as_chunks::<4>().0) {
        *y = mix_sample(f32::from(*y), weights, pixel, 255.0) as u8;
    }
}

/// A pixel of the tile over a sample of at most `most`.
#[inline(always)]
fn mix_sample(dst: f32, weights: [f32; 4], [r, g, b, a]: [u8; 4], most: f32) -> i32 {
    whole((dst + (sample(weights, [r, g, b]) - dst) * (f32::from(a) / 255.0)).clamp(0.0, most))
}

/// Sums of `a * r`, `a * g`, `a * b` and `a`, each over the pixels of up to [`BLOCK`] chroma samples. The colour of
/// a sample is linear in them, so no pixel is converted on its own.
type Sums = [[f32; BLOCK]; 4];

/// Both chroma channels where two columns share a sample, block by block.
#[inline(always)]
fn chroma(
    planes: &mut [PlaneMut],
    channels: [Channel; 2],
    samples: Samples,
    weights: [[f32; 4]; 2],
    tile: &Tile<&[u8]>,
    clip: &Clip,
    size: [usize; 2],
) {
    let (shift, most) = (channels[0].shift_y, f32::from(samples.max()));
    let (first, last) = (clip.x / 2, (clip.x + clip.width - 1) / 2);
    for cy in clip.y >> shift..=(clip.y + clip.height - 1) >> shift {
        let lines = cy << shift..((cy + 1) << shift).min(size[1]);
        let under_tile = lines.start.max(clip.y)..lines.end.min(clip.y + clip.height);
        for start in (first..=last).step_by(BLOCK) {
            let n = (last + 1 - start).min(BLOCK);
            let sums = sum_pixels(tile, clip, 2 * start, under_tile.clone());
            // A sample at the right edge of an odd frame has one column.
            let end = n - usize::from(2 * (start + n) > size[0]);
            for (channel, w) in channels.iter().zip(weights) {
                let plane = &mut planes[channel.plane];
                let at = channel.at(plane.stride, 2 * start, cy << shift);
                let row = &mut plane.data[at..];
                let mut block = [0; BLOCK];
                read_block(row, channel.step, samples, &mut block[..n]);
                let full = 510.0 * lines.len() as f32;
                mix_sums(&mut block, &sums, 0..end, w, full, most);
                mix_sums(&mut block, &sums, end..n, w, 0.5 * full, most);
                write_block(row, channel.step, samples, &block[..n]);
            }
        }
    }
}

/// Reads samples that lie `step` bytes apart.
#[inline(always)]
fn read_block(row: &[u8], step: usize, samples: Samples, block: &mut [u16]) {
    if samples.word == Word::Byte {
        for (v, dst) in block.iter_mut().zip(row.iter().step_by(step)) {
            *v = u16::from(*dst);
        }
        return;
    }
    for (v, word) in block.iter_mut().zip(row.chunks(step)) {
        *v = samples.of_word([word[0], word[1]]);
    }
}

/// Writes samples that lie `step` bytes apart.
#[inline(always)]
fn write_block(row: &mut [u8], step: usize, samples: Samples, block: &[u16]) {
    if samples.word == Word::Byte {
        for (v, dst) in block.iter().zip(row.iter_mut().step_by(step)) {
            *dst = *v as u8;
        }
        return;
    }
    for (v, word) in block.iter().zip(row.chunks_mut(step)) {
        if let Some(word) = word.first_chunk_mut() {
            samples.into_word(word, *v);
        }
    }
}

/// The sums of the samples whose pixels begin at column `first` of the frame, over rows `lines` of the frame.
#[inline(always)]
fn sum_pixels(tile: &Tile<&[u8]>, clip: &Clip, first: usize, lines: std::ops::Range<usize>) -> Sums {
    let mut columns = [[0.0; 2 * BLOCK]; 4];
    // Only the first sample can begin left of the tile, by one pixel.
    let (gap, skipped) = (clip.x.saturating_sub(first), first.saturating_sub(clip.x));
    for y in lines {
        let (pixels, _) = tile.row(clip, y - clip.y)[4 * skipped..].as_chunks::<4>();
        let [r_sums, g_sums, b_sums, a_sums] = &mut columns;
        let sums =
            r_sums[gap..].iter_mut().zip(&mut g_sums[gap..]).zip(&mut b_sums[gap..]).zip(&mut a_sums[gap..]);
        for ((((r_sum, g_sum), b_sum), a_sum), &[r, g, b, a]) in sums.zip(pixels) {
            let a = f32::from(a);
            *r_sum += a * f32::from(r);
            *g_sum += a * f32::from(g);
            *b_sum += a * f32::from(b);
            *a_sum += a;
        }
    }
    columns.map(|columns| std::array::from_fn(|i| columns[2 * i] + columns[2 * i + 1]))
}

/// `full` is the alpha sum of full coverage, `most` the largest sample.
#[inline(always)]
fn mix_sums(
    block: &mut [u16; BLOCK],
    sums: &Sums,
    range: std::ops::Range<usize>,
    w: [f32; 4],
    full: f32,
    most: f32,
) {
    let part = 1.0 / full;
    let [r, g, b, a] = sums.each_ref().map(|sums| &sums[range.clone()]);
    let colours = r.iter().zip(g).zip(b).zip(a);
    for (dst, (((r, g), b), a)) in block[range].iter_mut().zip(colours) {
        let colour = w[0] * r + w[1] * g + w[2] * b + w[3] * a;
        *dst = whole(((f32::from(*dst) * (full - a) + colour) * part).clamp(0.0, most)) as u16;
    }
}
