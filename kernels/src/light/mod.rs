//! Light of a picture: how bright each of 8 x 8 cells is and how much detail it shows, and the picture with the light
//! changed by a smooth gain.
//!
//! # Shapes
//! The picture is the input of a network, planes (3, rows, columns) of (colour - mean) / std with colours in 0..1. Only the
//! rectangle `visible`, which shows the frame, is read and changed. Cells are (8, 8, 4), row-major: mean red, green and
//! blue in 0..1, then the mean absolute difference of luma between horizontal neighbours. A gain is
//! exp(level + x slope_x + y slope_y) for each colour, with x and y from -1 to 1 across `visible`.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};
use crate::preprocess::{PixelRect, PreprocessSpec};

const OP: &str = "light";

/// Colours of a picture.
pub const COLOURS: usize = 3;

/// Cells of a picture, in each direction.
pub const SIDE: usize = 8;

/// Weights of the colours in luma (BT.709).
const LUMA: [f32; COLOURS] = [0.2126, 0.7152, 0.0722];

/// What is measured of one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cell {
    /// Mean of each colour, 0..1.
    pub colours: [f32; COLOURS],
    /// Mean absolute difference of luma between horizontal neighbours.
    pub detail: f32,
}

/// Logarithm of the gain of one colour across a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gain {
    /// In the middle.
    pub level: f32,
    /// What is added at the right edge, and subtracted at the left one.
    pub slope_x: f32,
    /// What is added at the lower edge, and subtracted at the upper one.
    pub slope_y: f32,
}

/// Measures the cells of a picture, by each fourth row of it. A rectangle narrower or lower than a cell's share of pixels
/// gives several cells the same pixels.
///
/// # Errors
/// When the picture has another size than `spec` says, `visible` is empty or reaches beyond it, or an operand lives on a
/// device.
pub fn cells<'a>(
    picture: impl Into<BufferView<'a>>,
    spec: &PreprocessSpec,
    visible: PixelRect,
) -> Result<[Cell; SIDE * SIDE]> {
    let picture = picture.into().host(OP)?;
    check(picture.len(), spec, visible)?;
    Ok(cpu::cells(picture, spec, visible))
}

/// Multiplies the colours of a picture by gains, up to the brightest colour, 1.
///
/// # Errors
/// As [`cells`].
pub fn relight<'a>(
    picture: impl Into<BufferViewMut<'a>>,
    spec: &PreprocessSpec,
    visible: PixelRect,
    gains: &[Gain; COLOURS],
) -> Result<()> {
    let picture = picture.into().host(OP)?;
    check(picture.len(), spec, visible)?;
    cpu::relight(picture, spec, visible, gains);
    Ok(())
}

fn check(len: usize, spec: &PreprocessSpec, visible: PixelRect) -> Result<()> {
    check_len(OP, "picture", spec.output_len(), len)?;
    let (size, PixelRect { x, y, width, height }) = (spec.size, visible);
    if width == 0 || height == 0 || x + width > size.columns || y + height > size.rows {
        let expected = format!("a visible part inside {size} pixels, not empty");
        return Err(Error::Shape { op: OP, expected, found: format!("{visible:?}") });
    }
    Ok(())
}

/// The place of pixel `i` of `n`, from -1 to 1.
fn place(i: usize, n: usize) -> f32 {
    (2.0 * i as f32 + 1.0) / n as f32 - 1.0
}

/// The pixels of cell `i` of a length of `n`: at least one.
fn span(i: usize, n: usize) -> std::ops::Range<usize> {
    let start = (i * n / SIDE).min(n - 1);
    start..((i + 1) * n / SIDE).max(start + 1)
}
