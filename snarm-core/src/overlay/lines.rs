//! Boxes, border and the edge of what was looked at: thin tiles, so that only the pixels of the lines are touched.

use std::fmt::Write;

use crate::view::Rect;

use super::RegionBox;
use super::label::{self, Plate};
use super::style::{Look, Rgba};
use super::tile::Tiles;

/// Beside lines, so that they are seen on any ground.
const SHADOW: Rgba = [0, 0, 0, 80];

/// Left, upper, right and lower edge in pixels.
type Edges = [isize; 4];

fn edges(width: usize, height: usize, x: f64, y: f64, w: f64, h: f64) -> Edges {
    let pixel = |v: f64, n: usize| (v.clamp(0.0, 1.0) * n as f64).round() as isize;
    [pixel(x, width), pixel(y, height), pixel(x + w, width), pixel(y + h, height)]
}

/// A box around a region, and its label or score on a small plate.
pub(super) fn region(
    tiles: &mut Tiles,
    text: &mut String,
    width: usize,
    height: usize,
    region: &RegionBox,
    label: Option<&str>,
    plate: Option<&Plate>,
    look: &Look,
) {
    let [left, top, right, bottom] = edges(width, height, region.x, region.y, region.w, region.h);
    let out = look.line as isize + 1;
    outline(tiles, [left - out, top - out, right + out, bottom + out], look);
    text.clear();
    match label {
        Some(label) => text.push_str(label),
        // Writing to a string does not fail.
        None => {
            let _ = write!(text, "{:.2}", region.score);
        }
    }
    label::shorten(text, width);
    label::tag(tiles, text, (width, height), [left - out, top - out, bottom + out], plate, look);
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

/// The edge of the part that was looked at, its corners stressed. Sides on the edge of the frame are left out.
pub(super) fn part(tiles: &mut Tiles, width: usize, height: usize, rect: Rect, look: &Look) {
    let [left, top, right, bottom] = edges(width, height, rect.x, rect.y, rect.w, rect.h);
    let [r, g, b, a] = look.text;
    let color = [r, g, b, (u16::from(a) * 3 / 4) as u8];
    let line = look.line.min(2) as isize;
    let mut bar = |x: isize, y: isize, w: isize, h: isize| {
        if w > 0 && h > 0 {
            tiles.add_filled(x - 1, y - 1, w as usize + 2, h as usize + 2, SHADOW);
            tiles.add_filled(x, y, w as usize, h as usize, color);
        }
    };
    let (w, h) = (right - left, bottom - top);
    if left > 0 {
        bar(left - line, top - line, line, h + 2 * line);
    }
    if right < width as isize {
        bar(right, top - line, line, h + 2 * line);
    }
    if top > 0 {
        bar(left, top - line, w, line);
    }
    if bottom < height as isize {
        bar(left, bottom, w, line);
    }
    // Short thick arms outside the corners that lie inside the frame.
    let (arm, thick) = ((w.min(h) / 12).max(4 * line), 2 * line + 1);
    for (x, outward_x, arm_x) in [(left, -thick, 0), (right, 0, -arm)] {
        for (y, outward_y, arm_y) in [(top, -thick, 0), (bottom, 0, -arm)] {
            let inside = x > 0 && x < width as isize && y > 0 && y < height as isize;
            if inside && 2 * arm < w.min(h) {
                tiles.add_filled(x + arm_x, y + outward_y, arm as usize, thick as usize, look.text);
                tiles.add_filled(x + outward_x, y + arm_y, thick as usize, arm as usize, look.text);
            }
        }
    }
}
