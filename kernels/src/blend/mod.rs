//! Draws a small picture with alpha onto a frame of any of the 26 formats, in place.
//!
//! Each sample becomes `(dst * (255 - a) + colour * a) / 255`, rounded, where `colour` is the tile's R'G'B' in the
//! samples of the frame (its matrix and range). A subsampled chroma sample takes the mean of what its 1, 2 or 4
//! luma pixels ask for: `(dst * (255 n - sum a) + sum (a * chroma)) / (255 n)`, pixels outside the tile counting as
//! alpha 0 and pixels outside the frame not at all. Alpha, unused bytes and unused bits of words stay as they are.
//!
//! # Shapes
//! The tile is `(height, width, 4)` bytes R, G, B, alpha (straight, not premultiplied), `stride` bytes from row to
//! row. Its place may lie outside the frame; it is clipped.
//!
//! It allocates nothing, uses one thread and touches only the samples under the tile.

mod cpu;
mod cuda;
pub mod reference;

#[cfg(test)]
mod tests;

pub use cpu::blend;

use crate::device::{BufferView, apart};
use crate::error::{Error, Result};
use crate::frame::DeviceFrameMut;

const OP: &str = "blend";

/// As [`blend()`], on a frame in the memory of a device, of a tile there. Formats with three samples in a word have no body
/// there.
///
/// # Errors
/// When the tile has too few bytes for its size and stride or lives elsewhere than the frame, or the device fails.
pub fn blend_there<'a>(
    frame: &mut DeviceFrameMut<'_>,
    tile: Tile<impl Into<BufferView<'a, u8>>>,
) -> Result<()> {
    let Tile { pixels, width, height, stride, x, y } = tile;
    let BufferView::Cuda(pixels) = pixels.into() else { return Err(apart(OP)) };
    let tile = Tile { pixels, width, height, stride, x, y };
    tile.check_room(pixels.len())?;
    match tile.clip(frame.width(), frame.height()) {
        Some(clip) => cuda::blend(frame, &tile, &clip),
        None => Ok(()),
    }
}

/// A picture to draw, with its place on the frame.
#[derive(Debug, Clone, Copy)]
pub struct Tile<P> {
    /// Bytes R, G, B, alpha of each pixel.
    pub pixels: P,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Column of the frame under the left edge.
    pub x: isize,
    /// Row of the frame under the upper edge.
    pub y: isize,
}

/// The part of a frame that a tile covers, and where it begins in the tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clip {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    tile_x: usize,
    tile_y: usize,
}

impl<P> Tile<P> {
    /// A tile without padding between its rows.
    pub fn packed(pixels: P, width: usize, height: usize, x: isize, y: isize) -> Self {
        Self { pixels, width, height, stride: 4 * width, x, y }
    }

    /// Checks the stride, and that so many bytes are enough.
    fn check_room(&self, bytes: usize) -> Result<()> {
        let empty = self.width == 0 || self.height == 0;
        let needed = if empty { 0 } else { (self.height - 1) * self.stride + 4 * self.width };
        if self.stride >= 4 * self.width && bytes >= needed {
            return Ok(());
        }
        Err(Error::Shape {
            op: OP,
            expected: format!("a stride of at least {} and {needed} bytes", 4 * self.width),
            found: format!("stride {} and {bytes} bytes", self.stride),
        })
    }

    /// The part inside a frame of this size; `None` when nothing is.
    fn clip(&self, width: usize, height: usize) -> Option<Clip> {
        let span = |at: isize, length: usize, limit: usize| {
            let skipped = at.min(0).unsigned_abs();
            let start = at.max(0).unsigned_abs();
            let length = length.saturating_sub(skipped).min(limit.saturating_sub(start));
            (length > 0).then_some((start, length, skipped))
        };
        let (x, width, tile_x) = span(self.x, self.width, width)?;
        let (y, height, tile_y) = span(self.y, self.height, height)?;
        Some(Clip { x, y, width, height, tile_x, tile_y })
    }

    /// The same tile, its pixels in the memory of the host.
    fn host<'a>(self) -> Result<Tile<&'a [u8]>>
    where
        P: Into<BufferView<'a, u8>>,
    {
        let Self { pixels, width, height, stride, x, y } = self;
        Ok(Tile { pixels: pixels.into().host(OP)?, width, height, stride, x, y })
    }
}

impl<'a> Tile<&'a [u8]> {
    /// The bytes of row `i` of the clipped part.
    #[inline(always)]
    fn row(&self, clip: &Clip, i: usize) -> &'a [u8] {
        &self.pixels[(clip.tile_y + i) * self.stride + 4 * clip.tile_x..][..4 * clip.width]
    }
}
