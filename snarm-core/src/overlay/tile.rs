//! The tiles that are drawn on before they are blended, kept from frame to frame.

use snarm_kernels::frame::Orientation;

use super::style::Rgba;

/// A part of the drawing with its place on the frame. Alpha is straight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tile {
    /// Column of the frame under the left edge.
    pub x: isize,
    /// Row of the frame under the upper edge.
    pub y: isize,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes R, G, B, alpha, row by row without padding.
    pub pixels: Vec<u8>,
}

impl Tile {
    /// Draws a colour over a rectangle of the tile, clipped to it.
    pub(super) fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, color: Rgba) {
        let (end_x, end_y) = ((x + width).min(self.width), (y + height).min(self.height));
        for y in y..end_y {
            for x in x..end_x {
                self.put(x, y, color, 1.0);
            }
        }
    }

    /// Draws a colour over one pixel that it covers in part.
    pub(super) fn put(&mut self, x: usize, y: usize, color: Rgba, coverage: f32) {
        let at = 4 * (y * self.width + x);
        if let Some(pixel) = self.pixels[at..].first_chunk_mut() {
            over(pixel, color, coverage);
        }
    }

    /// Moves a tile of an upright picture of this size to where a frame of this orientation stores it.
    fn store(&mut self, orientation: Orientation, (width, height): (usize, usize), scratch: &mut Vec<u8>) {
        let (w, h) = (self.width, self.height);
        let [(x, _), (y, _)] =
            orientation.stored((self.x, w as isize, width as isize), (self.y, h as isize, height as isize));
        (self.x, self.y) = (x, y);
        (self.width, self.height) = orientation.size(w, h);
        scratch.clear();
        scratch.resize(self.pixels.len(), 0);
        let stored = scratch.as_chunks_mut::<4>().0;
        for (i, pixel) in self.pixels.as_chunks::<4>().0.iter().enumerate() {
            let [(x, _), (y, _)] = orientation.stored((i % w, 1, w), (i / w, 1, h));
            stored[y * self.width + x] = *pixel;
        }
        std::mem::swap(&mut self.pixels, scratch);
    }

    /// All pixels.
    pub(super) fn pixels_mut(&mut self) -> &mut [[u8; 4]] {
        self.pixels.as_chunks_mut().0
    }

    /// The pixels of one row.
    pub(super) fn row_mut(&mut self, y: usize) -> &mut [[u8; 4]] {
        self.pixels[4 * y * self.width..][..4 * self.width].as_chunks_mut().0
    }
}

/// Draws `color` over `pixel`, both with straight alpha.
#[inline(always)]
pub(super) fn over(pixel: &mut [u8; 4], color: Rgba, coverage: f32) {
    let above = f32::from(color[3]) / 255.0 * coverage;
    let below = f32::from(pixel[3]) / 255.0 * (1.0 - above);
    let alpha = above + below;
    if alpha <= 0.0 {
        return;
    }
    for c in 0..3 {
        let mixed = (f32::from(color[c]) * above + f32::from(pixel[c]) * below) / alpha;
        pixel[c] = (mixed + 0.5) as u8;
    }
    pixel[3] = (alpha * 255.0 + 0.5) as u8;
}

/// Tiles of the frame at hand; the buffers of earlier ones are used again.
#[derive(Debug, Default)]
pub(super) struct Tiles {
    all: Vec<Tile>,
    used: usize,
    scratch: Vec<u8>,
}

impl Tiles {
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// A new transparent tile, above the earlier ones.
    pub(super) fn add(&mut self, x: isize, y: isize, width: usize, height: usize) -> &mut Tile {
        if self.used == self.all.len() {
            self.all.push(Tile::default());
        }
        let tile = &mut self.all[self.used];
        self.used += 1;
        tile.pixels.clear();
        tile.pixels.resize(4 * width * height, 0);
        (tile.x, tile.y, tile.width, tile.height) = (x, y, width, height);
        tile
    }

    /// A tile of one colour.
    pub(super) fn add_filled(&mut self, x: isize, y: isize, width: usize, height: usize, color: Rgba) {
        if width > 0 && height > 0 {
            self.add(x, y, width, height).pixels_mut().fill(color);
        }
    }

    /// Moves all tiles from an upright picture of this size to where a frame of this orientation stores them.
    pub(super) fn store(&mut self, orientation: Orientation, size: (usize, usize)) {
        if orientation != Orientation::UPRIGHT {
            self.all[..self.used]
                .iter_mut()
                .for_each(|tile| tile.store(orientation, size, &mut self.scratch));
        }
    }

    pub(super) fn used(&self) -> &[Tile] {
        &self.all[..self.used]
    }
}
