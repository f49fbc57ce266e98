//! Text: the plate with verdict and bar in a corner, and the small tags of boxes.

use super::Scene;
use super::fields;
use super::font::{self, GAP};
use super::style::{Look, Position, Rgba, Style};
use super::tile::{Tile, Tiles};

/// Ink begins where the smoothed bitmap reaches this; less than one half joins diagonal strokes.
const INK: f32 = 0.42;
/// Points of the bar, when the text is not longer.
const BAR: usize = 56;

/// The plate in a corner of the frame, as it will be drawn.
pub(super) struct Plate {
    x: isize,
    y: isize,
    width: usize,
    height: usize,
    inner: usize,
    bar_top: usize,
}

impl Plate {
    /// Writes the text and finds the place; nothing where there is nothing to show.
    pub(super) fn new(
        text: &mut String,
        width: usize,
        height: usize,
        scene: &Scene,
        style: &Style,
        look: &Look,
    ) -> Option<Self> {
        if style.position == Position::Off {
            return None;
        }
        text.clear();
        if style.score && fields::write(text, &style.label_format, scene).is_err() {
            text.clone_from(&style.label_format);
        }
        shorten(text, width);
        if text.is_empty() && !style.bar {
            return None;
        }
        let p = look.point;
        let (pad, margin) = (3 * p, 4 * p as isize);
        let text_height = if text.is_empty() { 0 } else { font::CAPITAL * p };
        let bar_height = if style.bar { 2 * p } else { 0 };
        let between = if style.bar && !text.is_empty() { 4 * p } else { 0 };
        let inner = (font::line_width(text) * p).max(if style.bar { BAR * p } else { 0 });
        let (w, h) = (2 * p + 2 * pad + inner, 2 * pad + text_height + between + bar_height);
        let (right, lower) = (width as isize - margin - w as isize, height as isize - margin - h as isize);
        let (x, y) = match style.position {
            Position::TopLeft | Position::Off => (margin, margin),
            Position::TopRight => (right, margin),
            Position::BottomLeft => (margin, lower),
            Position::BottomRight => (right, lower),
        };
        Some(Self { x, y, width: w, height: h, inner, bar_top: pad + text_height + between })
    }

    /// Draws it, with the text it was made for.
    pub(super) fn paint(&self, tiles: &mut Tiles, text: &str, scene: &Scene, style: &Style, look: &Look) {
        let (stripe, pad) = (2 * look.point, 3 * look.point);
        let tile = tiles.add(self.x, self.y, self.width, self.height);
        rounded_plate(tile, look.plate, Some((look.accent, stripe)), 2 * look.point);
        write_line(tile, text, stripe + pad, pad, look.point, look.text);
        if style.bar {
            bar(tile, [stripe + pad, self.bar_top, self.inner, 2 * look.point], scene, look);
        }
    }

    /// Whether it covers a part of the rectangle.
    fn hides(&self, x: isize, y: isize, width: usize, height: usize) -> bool {
        let apart = |a: isize, a_size: usize, b: isize, b_size: usize| {
            a + a_size as isize <= b || b + b_size as isize <= a
        };
        !apart(self.x, self.width, x, width) && !apart(self.y, self.height, y, height)
    }
}

/// The score against its threshold: a track, its filled part, and a mark.
fn bar(tile: &mut Tile, [x, y, width, height]: [usize; 4], scene: &Scene, look: &Look) {
    let at = |v: f64| (v.clamp(0.0, 1.0) * width as f64).round() as usize;
    let [r, g, b, a] = look.text;
    tile.fill(x, y, width, height, [r, g, b, a / 5]);
    tile.fill(x, y, at(scene.score), height, look.accent);
    let (mark, over) = (look.point.div_ceil(2), look.point);
    let left = at(scene.threshold).saturating_sub(mark / 2).min(width.saturating_sub(mark));
    tile.fill(x + left, y - over.min(y), mark, height + 2 * over, look.text);
}

/// A small plate with text at the box with these left, upper and lower edges, where it can be read: on top of the box,
/// under it, in it, or else at the plate, and always within the frame.
pub(super) fn tag(
    tiles: &mut Tiles,
    text: &str,
    frame: (usize, usize),
    [left, top, bottom]: [isize; 3],
    plate: Option<&Plate>,
    look: &Look,
) {
    let p = (look.point * 2).div_ceil(3);
    let pad = 2 * p;
    let (width, height) = (font::line_width(text) * p + 2 * pad, font::CAPITAL * p + 2 * pad);
    let x = left.min(frame.0 as isize - width as isize).max(0);
    let seen = |y: &isize| {
        let inside = *y >= 0 && *y + height as isize <= frame.1 as isize;
        inside && !plate.is_some_and(|plate| plate.hides(x, *y, width, height))
    };
    let step = height as isize;
    let within = (top.max(0)..(bottom - step).max(top.max(0) + 1)).step_by(height);
    let beside = plate.map_or([0; 2], |plate| [plate.y + plate.height as isize, plate.y - step]);
    let mut places = [top - step, bottom].into_iter().chain(within).chain(beside);
    let y = places.find(seen).unwrap_or(top.max(0));
    let tile = tiles.add(x, y, width, height);
    rounded_plate(tile, look.plate, None, 0);
    write_line(tile, text, pad, pad, p, look.text);
}

/// Cuts off what a frame of this width cannot show of a text in any case: names may have any length.
pub(super) fn shorten(text: &mut String, width: usize) {
    if let Some((end, _)) = text.char_indices().nth(width) {
        text.truncate(end);
    }
}

/// Fills the whole tile, corners rounded, its left edge in another colour if asked for.
fn rounded_plate(tile: &mut Tile, color: Rgba, stripe: Option<(Rgba, usize)>, radius: usize) {
    for y in 0..tile.height {
        let row = tile.row_mut(y);
        row.fill(color);
        if let Some((accent, columns)) = stripe {
            let columns = columns.min(row.len());
            row[..columns].fill(accent);
        }
    }
    let r = radius as f32;
    for y in 0..radius.min(tile.height / 2) {
        for x in 0..radius.min(tile.width / 2) {
            let (dx, dy) = (r - x as f32 - 0.5, r - y as f32 - 0.5);
            let coverage = (r + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0);
            let (right, below) = (tile.width - 1 - x, tile.height - 1 - y);
            for (x, y) in [(x, y), (right, y), (x, below), (right, below)] {
                let [_, _, _, alpha] = &mut tile.row_mut(y)[x];
                *alpha = (f32::from(*alpha) * coverage + 0.5) as u8;
            }
        }
    }
}

/// Writes one line of text, its capitals beginning at row `y`.
pub(super) fn write_line(tile: &mut Tile, text: &str, x: usize, y: usize, point: usize, color: Rgba) {
    let mut left = x;
    for character in text.chars() {
        let glyph = font::glyph(character);
        for dy in 0..font::ROWS * point {
            for dx in 0..(glyph.width + GAP) * point {
                let coverage = ink(&glyph, dx, dy, point);
                if coverage > 0.0 && left + dx < tile.width && y + dy < tile.height {
                    tile.put(left + dx, y + dy, color, coverage);
                }
            }
        }
        left += (glyph.width + GAP) * point;
    }
}

/// Coverage of a pixel of an enlarged glyph. The bitmap is interpolated and cut at [`INK`], which rounds its steps.
fn ink(glyph: &font::Glyph, dx: usize, dy: usize, point: usize) -> f32 {
    if point == 1 {
        return f32::from(u8::from(glyph.ink(dx as isize, dy as isize)));
    }
    let centre = |d: usize| (d as f32 + 0.5) / point as f32 - 0.5;
    let (u, v) = (centre(dx), centre(dy));
    let (column, row) = (u.floor(), v.floor());
    let dot = |i: isize, j: isize| f32::from(u8::from(glyph.ink(column as isize + i, row as isize + j)));
    let (fx, fy) = (u - column, v - row);
    let upper = dot(0, 0) * (1.0 - fx) + dot(1, 0) * fx;
    let lower = dot(0, 1) * (1.0 - fx) + dot(1, 1) * fx;
    ((upper * (1.0 - fy) + lower * fy - INK) * point as f32 + 0.5).clamp(0.0, 1.0)
}
