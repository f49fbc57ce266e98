//! Maps of tiles to one map: a rectangle of a tile's map is added where it lies, weighed by a weight for each of its rows and
//! one for each of its columns. Where tiles share pixels their weights sum to 1.
//!
//! map\[y + i, x + j\] += rows\[i\] columns\[j\] tile\[window.y + i, window.x + j\]
//!
//! # Shapes
//! tile (h, w), map (H, W), row-major, map in place; rows and columns (window.height), (window.width).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};
use crate::preprocess::PixelRect;

const OP: &str = "stitch";

/// Part of a tile's map, and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Piece<T> {
    /// Part of the tile's map.
    pub window: PixelRect,
    /// Column and row of the map where its upper left corner lies.
    pub at: (usize, usize),
    /// Weight of each row of the part.
    pub rows: T,
    /// Weight of each column of the part.
    pub columns: T,
}

/// Adds a piece of `tile`, whose rows have `width` elements, to `map`, whose rows have `map_width`.
///
/// # Errors
/// When one of them is not whole rows, the piece lies outside of either, it has not a weight for each row and column, or
/// an operand lives on a device.
pub fn stitch<'a>(
    tile: impl Into<BufferView<'a>>,
    width: usize,
    piece: Piece<impl Into<BufferView<'a>>>,
    map: impl Into<BufferViewMut<'a>>,
    map_width: usize,
) -> Result<()> {
    let Piece { window, at, rows, columns } = piece;
    let piece = Piece { window, at, rows: rows.into().host(OP)?, columns: columns.into().host(OP)? };
    let (tile, map) = (tile.into().host(OP)?, map.into().host(OP)?);
    let PixelRect { x, y, width: w, height: h } = window;
    check_len(OP, "weights of rows", h, piece.rows.len())?;
    check_len(OP, "weights of columns", w, piece.columns.len())?;
    check_inside(tile.len(), width, (x, y), (w, h))?;
    check_inside(map.len(), map_width, at, (w, h))?;
    if w * h > 0 {
        cpu::stitch(tile, width, &piece, map, map_width);
    }
    Ok(())
}

/// Checks that a rectangle at a place lies in a map of so many elements, whole rows of `width`.
fn check_inside(len: usize, width: usize, (x, y): (usize, usize), (w, h): (usize, usize)) -> Result<()> {
    // Without a width there may be any number of rows.
    let rows = len.checked_div(width).unwrap_or(y + h);
    if rows * width == len && x + w <= width && y + h <= rows {
        return Ok(());
    }
    let expected = format!("whole rows of {width}, and a piece inside");
    let found = format!("{len} values and {w}x{h} at {x},{y}");
    Err(Error::Shape { op: OP, expected, found })
}
