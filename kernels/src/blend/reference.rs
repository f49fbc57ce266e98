//! The contract of the blend, sample by sample, in f64.

use super::Tile;
use crate::frame::{ColorRange, Colorimetry, FrameMut};
use crate::layout::{self, Family, Samples};

/// [`super::blend`], for tiles that it accepts.
pub fn blend(frame: &mut FrameMut, tile: &Tile<&[u8]>) {
    let (width, height, format) = (frame.width(), frame.height(), frame.format());
    let (colorimetry, family) = (frame.colorimetry(), layout::family(format));
    let samples = layout::samples(format);
    for (c, channel) in layout::channels(format).into_iter().enumerate() {
        if family == Family::Grey && c > 0 {
            return;
        }
        for y in (0..height).step_by(1 << channel.shift_y) {
            for x in (0..width).step_by(1 << channel.shift_x) {
                let columns = x..(x + (1 << channel.shift_x)).min(width);
                let pixels = (y..(y + (1 << channel.shift_y)).min(height))
                    .flat_map(|y| columns.clone().map(move |x| pixel(tile, x, y)));
                let (mut n, mut alpha, mut colour) = (0.0, 0.0, 0.0);
                for (rgb, a) in pixels {
                    n += 1.0;
                    alpha += a;
                    colour +=
                        a * if family == Family::Rgb { rgb[c] } else { sample(colorimetry, c, rgb, samples) };
                }
                let plane = &mut frame.planes_mut()[channel.plane];
                let dst = f64::from(samples.load(plane.data, plane.stride, channel, x, y));
                let mixed = ((dst * (255.0 * n - alpha) + colour) / (255.0 * n) + 0.5).floor();
                // Chroma of full range reaches half a step beyond.
                let mixed = mixed.min(f64::from(samples.max())) as u16;
                samples.store(plane.data, plane.stride, channel, [x, y], mixed);
            }
        }
    }
}

/// Colour and alpha of the tile over pixel `(x, y)` of the frame.
fn pixel(tile: &Tile<&[u8]>, x: usize, y: usize) -> ([f64; 3], f64) {
    let (i, j) = (x as isize - tile.x, y as isize - tile.y);
    if i < 0 || j < 0 || i >= tile.width as isize || j >= tile.height as isize {
        return ([0.0; 3], 0.0);
    }
    let at = j as usize * tile.stride + 4 * i as usize;
    let byte = |k: usize| f64::from(tile.pixels[at + k]);
    ([byte(0), byte(1), byte(2)], byte(3))
}

/// Y, Cb or Cr of a colour.
fn sample(colorimetry: Colorimetry, c: usize, [r, g, b]: [f64; 3], samples: Samples) -> f64 {
    let (kr, kb) = (f64::from(colorimetry.matrix.kr), f64::from(colorimetry.matrix.kb));
    let luma = kr * r + (1.0 - kr - kb) * g + kb * b;
    let limited = colorimetry.range == ColorRange::Limited;
    let unit = samples.unit(colorimetry.range);
    let chroma = |v: f64| samples.middle() + v * unit * if limited { 224.0 / 255.0 } else { 1.0 };
    match (c, limited) {
        (0, true) => (16.0 + luma * 219.0 / 255.0) * unit,
        (0, false) => luma * unit,
        (1, _) => chroma((b - luma) / (2.0 - 2.0 * kb)),
        _ => chroma((r - luma) / (2.0 - 2.0 * kr)),
    }
}
