//! The contract of preprocessing, one output value at a time, in f64.

use super::{Fit, Geometry, Place, PreprocessSpec};
use crate::frame::{ColorRange, Frame, Orientation};
use crate::grid::Grid;
use crate::layout::{self, Channel, Family};

/// [`super::Preprocessor::run`].
///
/// # Panics
/// When `out` is shorter than `(3, rows, columns)`.
pub fn run(spec: &PreprocessSpec, frame: &Frame, out: &mut [f32]) {
    let size = spec.size;
    let place = Place::new(spec, &Geometry::of(frame));
    let inner = place.inner;
    out.fill(0.0);
    for y in 0..inner.height {
        for x in 0..inner.width {
            let rgb = match spec.fit {
                Fit::Paper { resize } => bilinear(&place, frame, resize, x, y),
                _ => to_rgb(frame, [0, 1, 2].map(|c| triangle(&place, frame, c, x, y))),
            };
            let (x, y) = upright(frame.orientation(), inner.x + x, inner.y + y, size);
            for c in 0..3 {
                let v = (rgb[c] / 255.0 - f64::from(spec.mean[c])) / f64::from(spec.std[c]);
                out[(c * size.rows + y) * size.columns + x] = v as f32;
            }
        }
    }
}

/// Where a pixel of the stored output lies in the upright one of `size`.
fn upright(orientation: Orientation, x: usize, y: usize, size: Grid) -> (usize, usize) {
    let (x, y) = if orientation.transposed { (y, x) } else { (x, y) };
    let mirror = |at: usize, n: usize, mirrored: bool| if mirrored { n - 1 - at } else { at };
    (mirror(x, size.columns, orientation.mirrored_x), mirror(y, size.rows, orientation.mirrored_y))
}

/// The sample of channel `c` that belongs to pixel `(x, y)`.
fn sample(frame: &Frame, c: usize, x: usize, y: usize) -> f64 {
    let channel = layout::channels(frame.format())[c];
    let plane = &frame.planes()[channel.plane];
    f64::from(layout::samples(frame.format()).load(plane.data, plane.stride, channel, x, y))
}

/// R'G'B' in 0..255 of three channels.
fn to_rgb(frame: &Frame, v: [f64; 3]) -> [f64; 3] {
    let (colorimetry, samples) = (frame.colorimetry(), layout::samples(frame.format()));
    let limited = colorimetry.range == ColorRange::Limited;
    let unit = samples.unit(colorimetry.range);
    let luma = if limited { (v[0] / unit - 16.0) * 255.0 / 219.0 } else { v[0] / unit };
    let rgb = match layout::family(frame.format()) {
        Family::Rgb => v,
        Family::Grey => [luma; 3],
        Family::Ycbcr => {
            let (kr, kb) = (f64::from(colorimetry.matrix.kr), f64::from(colorimetry.matrix.kb));
            let chroma = |v: f64| (v - samples.middle()) / unit * if limited { 255.0 / 224.0 } else { 1.0 };
            let (r, b) = (luma + 2.0 * (1.0 - kr) * chroma(v[2]), luma + 2.0 * (1.0 - kb) * chroma(v[1]));
            [r, (luma - kr * r - kb * b) / (1.0 - kr - kb), b]
        }
    };
    rgb.map(|v| v.clamp(0.0, 255.0))
}

/// Triangle weights of one result over `range`, by sample number.
fn weights(centre: f64, scale: f64, range: std::ops::Range<usize>) -> Vec<(usize, f64)> {
    let support = scale.max(1.0);
    let weight = |k: usize| (1.0 - ((k as f64 + 0.5 - centre) / support).abs()).max(0.0);
    let sum: f64 = range.clone().map(weight).sum();
    if sum <= 0.0 {
        let nearest = (centre.max(0.0) as usize).clamp(range.start, range.end - 1);
        return vec![(nearest, 1.0)];
    }
    range.map(|k| (k, weight(k) / sum)).filter(|&(_, w)| w > 0.0).collect()
}

/// Channel `c` of output pixel `(x, y)` of the picture, resampled on the channel's own grid.
fn triangle(place: &Place, frame: &Frame, c: usize, x: usize, y: usize) -> f64 {
    let Place { source, inner, .. } = *place;
    let channel = layout::channels(frame.format())[c];
    let site = frame.colorimetry().site;
    let axis = |o: usize, n: usize, first: usize, length: usize, shift: usize, site: f32| {
        let scale = length as f64 / n as f64;
        let centre = first as f64 + (o as f64 + 0.5) * scale;
        if shift == 0 {
            return weights(centre, scale, first..first + length);
        }
        let centre = (centre - f64::from(site) - 0.5) / 2.0 + 0.5;
        weights(centre, scale / 2.0, first / 2..Channel::count(first + length, 1))
    };
    let columns = axis(x, inner.width, source.x, source.width, channel.shift_x, site.x);
    let rows = axis(y, inner.height, source.y, source.height, channel.shift_y, site.y);
    let line = |y: usize| -> f64 {
        columns.iter().map(|&(x, w)| w * sample(frame, c, x << channel.shift_x, y << channel.shift_y)).sum()
    };
    rows.iter().map(|&(y, w)| w * line(y)).sum()
}

/// 8-bit RGB of output pixel `(x, y)` by OpenCV's integer bilinear.
fn bilinear(place: &Place, frame: &Frame, resize: usize, x: usize, y: usize) -> [f64; 3] {
    let source = place.source;
    let axis = |first: usize, o: usize, n: usize| {
        let c = (((first + o) as f64 + 0.5) * (1.0 / (resize as f64 / n as f64)) - 0.5) as f32;
        (c.floor() as i64, c - c.floor())
    };
    let whole = |f: f32| [1.0 - f, f].map(|part| (part * 2048.0).round_ties_even() as i64);
    let ((i, fx), (j, fy)) = (axis(place.crop[0], x, source.width), axis(place.crop[1], y, source.height));
    let across = whole(if i < 0 || i >= source.width as i64 - 1 { 0.0 } else { fx });
    let down = whole(fy);
    let pixel = |i: i64, j: i64| {
        let x = source.x + i.clamp(0, source.width as i64 - 1) as usize;
        let y = source.y + j.clamp(0, source.height as i64 - 1) as usize;
        to_rgb(frame, [0, 1, 2].map(|c| sample(frame, c, x, y))).map(|v| (v + 0.5).floor() as i64)
    };
    let sums = [j, j + 1].map(|j| {
        let (left, right) = (pixel(i, j), pixel(i + 1, j));
        [0, 1, 2].map(|c| left[c] * across[0] + right[c] * across[1])
    });
    [0, 1, 2].map(|c| {
        let parts = [0, 1].map(|k| (down[k] * (sums[k][c] >> 4)) >> 16);
        ((parts[0] + parts[1] + 2) >> 2) as f64
    })
}
