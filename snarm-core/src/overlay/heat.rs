//! The map on the frame: heat colours and contours, at the resolution of the frame.

use snarm_kernels::preprocess::PixelRect;

use crate::view::Rect;
use snarm_kernels::simd;

use super::MapView;
use super::style::{Colormap, Look, Rgba, Style};
use super::tile::{Tile, over};

/// Part of the scale over which the heat map fades in, so that its edge neither flickers nor looks cut out.
const FADE: f64 = 0.15;
/// Under and beside lines, so that they are seen on any ground.
const SHADOW: Rgba = [0, 0, 0, 80];
/// Slopes under this, in map values a pixel, are taken as noise.
const LEAST_SLOPE: f32 = 1e-5;

/// A map laid on a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub map: MapView<'a>,
    rect: Rect,
    width: usize,
    height: usize,
}

impl<'a> Field<'a> {
    pub(super) fn new(map: MapView<'a>, rect: Rect, width: usize, height: usize) -> Self {
        Self { map, rect, width, height }
    }

    /// The pixels under these samples, as far as the interpolation carries them, and `margin` around; `None` where
    /// they lie outside the frame.
    pub(super) fn around(&self, x: [usize; 2], y: [usize; 2], margin: usize) -> Option<PixelRect> {
        let span = |samples: [usize; 2], n: usize, origin: f64, length: f64, pixels: usize| {
            let at = |sample: f64| (origin + sample / n as f64 * length) * pixels as f64;
            // Only pixels whose centre lies on the map.
            let whole = [(at(0.0) - 0.5).ceil(), (at(n as f64) - 0.5).ceil()];
            let start = (at(samples[0] as f64 - 0.5).floor() - margin as f64).max(whole[0]).max(0.0);
            let end = (at(samples[1] as f64 + 0.5).ceil() + margin as f64).min(whole[1]).min(pixels as f64);
            (end > start).then_some((start as usize, (end - start) as usize))
        };
        let (x, width) = span(x, self.map.width, self.rect.x, self.rect.w, self.width)?;
        let (y, height) = span(y, self.map.height, self.rect.y, self.rect.h, self.height)?;
        Some(PixelRect { x, y, width, height })
    }

    /// The sample before the centre of a column of the frame, and the fraction to the next.
    fn column(&self, x: isize) -> (usize, f32) {
        between(x, self.width, self.rect.x, self.rect.w, self.map.width)
    }

    /// The same for a row.
    fn row(&self, y: isize) -> (usize, f32) {
        between(y, self.height, self.rect.y, self.rect.h, self.map.height)
    }
}

fn between(pixel: isize, pixels: usize, origin: f64, length: f64, samples: usize) -> (usize, f32) {
    let at = ((pixel as f64 + 0.5) / pixels as f64 - origin) / length * samples as f64 - 0.5;
    let at = at.clamp(0.0, samples as f64 - 1.0);
    (at as usize, at.fract() as f32)
}

/// Tables and lines of the drawing.
#[derive(Debug, Default)]
pub(super) struct Heat {
    colors: Vec<Rgba>,
    /// What `colors` was made for.
    made_for: Option<(Colormap, f64, [f32; 2])>,
    /// Map value of the first colour, and colours for each unit of it.
    scale: [f32; 2],
    columns: Vec<(usize, f32)>,
    samples: Vec<f32>,
    /// Field values of the rows above, at and below the one being drawn, one more pixel at each end.
    lines: [Vec<f32>; 3],
    distances: Vec<f32>,
}

impl Heat {
    /// Makes the table of colours, unless it is that of the last call.
    pub(super) fn set_colors(&mut self, style: &Style, [min, max]: [f32; 2]) {
        let alpha = style.heatmap_alpha.clamp(0.0, 1.0);
        let wanted = (style.colormap, alpha, [min, max]);
        if self.made_for == Some(wanted) {
            return;
        }
        let color = |i: usize| {
            let t = i as f64 / 255.0;
            let fade = (t / FADE).min(1.0);
            let [r, g, b] = style.colormap.color(t);
            [r, g, b, (255.0 * alpha * fade * fade * (3.0 - 2.0 * fade)).round() as u8]
        };
        self.colors.clear();
        self.colors.extend((0..256).map(color));
        self.scale = [min, 255.0 / (max - min).max(1e-3)];
        self.made_for = Some(wanted);
    }

    /// Draws the field on a tile: its heat, and the line where it crosses `contour`.
    pub(super) fn paint(
        &mut self,
        tile: &mut Tile,
        field: &Field,
        heat: bool,
        contour: Option<f32>,
        look: &Look,
    ) {
        self.columns.clear();
        self.columns.extend((tile.x - 1..tile.x + tile.width as isize + 1).map(|x| field.column(x)));
        // A level between two steps of the samples, so that the line never lies on a plateau of equal ones.
        let level = contour.map(|level| level - 0.5 / field.map.largest());
        for y in [tile.y - 1, tile.y] {
            self.next_line(field, y);
        }
        for (i, y) in (tile.y..).take(tile.height).enumerate() {
            self.next_line(field, y + 1);
            let row = tile.row_mut(i);
            if heat {
                self.color_row(row);
            }
            if let Some(level) = level {
                self.outline_row(row, level, look);
            }
        }
    }

    /// Makes the field values of row `y` and forgets those of three rows before.
    fn next_line(&mut self, field: &Field, y: isize) {
        self.lines.rotate_left(1);
        let (Some(first), Some(last)) = (self.columns.first(), self.columns.last()) else { return };
        let (start, end) = (first.0, (last.0 + 2).min(field.map.width));
        let (row, fraction) = field.row(y);
        let (above, below) = (field.map.row(row), field.map.row((row + 1).min(field.map.height - 1)));
        self.samples.clear();
        let part = 1.0 / field.map.largest();
        let mix = |a: f32, b: f32| (a + (b - a) * fraction) * part;
        if field.map.wide {
            let value = |v: &[u8; 2]| f32::from(u16::from_le_bytes(*v));
            let pairs = above.as_chunks().0[start..end].iter().zip(&below.as_chunks().0[start..end]);
            self.samples.extend(pairs.map(|(a, b)| mix(value(a), value(b))));
        } else {
            let pairs = above[start..end].iter().zip(&below[start..end]);
            self.samples.extend(pairs.map(|(&a, &b)| mix(f32::from(a), f32::from(b))));
        }
        // The last sample again, for pixels right of its centre.
        self.samples.extend(self.samples.last().copied());
        let samples = &self.samples;
        let value =
            |&(i, f): &(usize, f32)| samples[i - start] + (samples[i - start + 1] - samples[i - start]) * f;
        let line = &mut self.lines[2];
        line.clear();
        line.extend(self.columns.iter().map(value));
    }

    fn color_row(&self, row: &mut [Rgba]) {
        let [min, scale] = self.scale;
        for (pixel, &v) in row.iter_mut().zip(&self.lines[1][1..]) {
            *pixel = self.colors[((v - min) * scale).clamp(0.0, 255.0) as usize];
        }
    }

    /// The distance to the line is the distance in value over the slope of the field.
    fn outline_row(&mut self, row: &mut [Rgba], level: f32, look: &Look) {
        let [above, here, below] = &self.lines;
        self.distances.resize(row.len(), 0.0);
        let distances = &mut self.distances[..];
        simd::dispatch(
            #[inline(always)]
            || measure(above, here, below, level, distances),
        );
        let half = look.line as f32 / 2.0;
        for (pixel, &distance) in row.iter_mut().zip(&self.distances) {
            if distance < half + 1.5 {
                over(pixel, SHADOW, (half + 1.5 - distance).min(1.0));
                over(pixel, look.contour, (half + 0.5 - distance).clamp(0.0, 1.0));
            }
        }
    }
}

#[inline(always)]
fn measure(above: &[f32], here: &[f32], below: &[f32], level: f32, distances: &mut [f32]) {
    let n = distances.len();
    let (Some(above), Some(below)) = (above.get(1..n + 1), below.get(1..n + 1)) else { return };
    let (Some(left), Some(middle), Some(right)) = (here.get(..n), here.get(1..n + 1), here.get(2..n + 2))
    else {
        return;
    };
    for i in 0..n {
        let (dx, dy) = (0.5 * (right[i] - left[i]), 0.5 * (below[i] - above[i]));
        let slope = (dx * dx + dy * dy).sqrt().max(LEAST_SLOPE);
        distances[i] = (middle[i] - level).abs() / slope;
    }
}
