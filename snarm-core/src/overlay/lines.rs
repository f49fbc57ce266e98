//! Boxes, border and corner marks: thin tiles, so that only the pixels of the lines are touched.

use std::fmt::Write;

use crate::geometry::Rect;

use super::style::{Look, Rgba};
use super::tile::Tiles;
use super::{RegionBox, label};

/// Beside lines, so that they are seen on any ground.
const SHADOW: Rgba = [0, 0, 0, 80];

/// Left, upper, right and lower edge in pixels.
type Edges = [isize; 4];

fn edges(width: usize, height: usize, x: f64, y: f64, w: f64, h: f64) -> Edges {
    let pixel = |v: f64, n: usize| (v.clamp(0.0, 1.0) * n as f64).round() as isize;
    [pixel(x, width), pixel(y, height), pixel(x + w, width), pixel(y + h, height)]
}

/// A box around a region, and its score on a small plate.
pub(super) fn region(
    tiles: &mut Tiles,
    text: &mut String,
    width: usize,
    height: usize,
    region: &RegionBox,
    look: &Look,
) {
    let [left, top, right, bottom] = edges(width, height, region.x, region.y, region.w, region.h);
    let out = look.line as isize + 1;
    outline(tiles, [left - out, top - out, right + out, bottom + out], look);
    text.clear();
    // Writing to a string does not fail.
    let _ = write!(text, "{:.2}", region.score);
    label::tag(tiles, text, [left - out, top - out, bottom + out], look);
}

/// A line along the inside of `edges`, with a shadow of one pixel at both sides of it.
fn outline(tiles: &mut Tiles, [left, top, right, bottom]: Edges, look: &Look) {
    let (width, height) = ((right - left).max(1) as usize, (bottom - top).max(1) as usize);
    let thick = look.line + 2;
    let (side, upper) = (thick.min(width), thick.min(height));
    let lower = thick.min(height - upper);
    let middle = height - upper - lower;
    let strips = [
        (0, 0, width, upper),
        (0, height - lower, width, lower),
        (0, upper, side, middle),
        (width - thick.min(width - side), upper, thick.min(width - side), middle),
    ];
    for (x, y, w, h) in strips.into_iter().filter(|strip| strip.2 > 0 && strip.3 > 0) {
        let tile = tiles.add(left + x as isize, top + y as isize, w, h);
        for (i, pixel) in tile.pixels_mut().iter_mut().enumerate() {
            let (x, y) = (x + i % w, y + i / w);
            let depth = x.min(y).min(width - 1 - x).min(height - 1 - y);
            *pixel = if (1..=look.line).contains(&depth) { look.accent } else { SHADOW };
        }
    }
}

/// A border around the frame.
pub(super) fn border(tiles: &mut Tiles, width: usize, height: usize, look: &Look) {
    let thick = (2 * look.line).min(width.div_ceil(2)).min(height.div_ceil(2));
    let (w, h) = (width as isize, height as isize);
    let (t, inner) = (thick as isize, height.saturating_sub(2 * thick));
    tiles.add_filled(0, 0, width, thick, look.accent);
    tiles.add_filled(0, (h - t).max(t), width, thick, look.accent);
    tiles.add_filled(0, t, thick, inner, look.accent);
    tiles.add_filled((w - t).max(t), t, thick, inner, look.accent);
}

/// The four corners of the part that was analysed.
pub(super) fn corners(tiles: &mut Tiles, width: usize, height: usize, rect: Rect, look: &Look) {
    let [left, top, right, bottom] = edges(width, height, rect.x, rect.y, rect.w, rect.h);
    let (line, short) = (look.line as isize, (right - left).min(bottom - top));
    let arm = (short / 16).max(2 * line);
    let color = [look.text[0], look.text[1], look.text[2], (u16::from(look.text[3]) * 3 / 4) as u8];
    if short < 2 * arm {
        return;
    }
    for (x, inward) in [(left, 0), (right - arm, arm - line)] {
        for (y, down) in [(top, line), (bottom - line, line - arm)] {
            tiles.add_filled(x, y, arm as usize, look.line, color);
            tiles.add_filled(x + inward, y + down, look.line, (arm - line) as usize, color);
        }
    }
}
