//! Light of a picture: how bright each of 8 x 8 cells is and how much detail it shows, how that lies beside what is usual,
//! and the picture with the light changed by a smooth gain.
//!
//! # Shapes
//! The picture is the input of a network, planes (3, rows, columns) of (colour - mean) / std with colours in 0..1. Only the
//! rectangle `visible`, which shows the frame, is read and changed. Cells are (8, 8, 4), row-major, [`Cell`]: mean red, green and
//! blue in 0..1, then the mean absolute difference of luma between horizontal neighbours. A gain is
//! exp(level + x slope_x + y slope_y) for each colour, with x and y from -1 to 1 across `visible`; planes are the logarithms
//! of gains, (3, 3), [`Gain`]. What is usual are (8, 8, 8), [`Usual`].
//!
//! # The planes
//! Of each colour the plane that the logarithms of its cells lie above the usual ones, by least squares. Eight times cells are
//! weighed anew by the rest that the plane before leaves them, beside the deviation that is usual there and the median of all
//! rests (Tukey's biweight), so that those which most others do not agree with do not count. It begins with the weighted median.

mod cpu;
mod cuda;
mod fit;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use bytemuck::{Pod, Zeroable};

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};
use crate::preprocess::{PixelRect, PreprocessSpec};

const OP: &str = "light";

/// Colours of a picture.
pub const COLOURS: usize = 3;

/// Cells of a picture, in each direction.
pub const SIDE: usize = 8;

/// Cells of a picture.
pub const CELLS: usize = SIDE * SIDE;

/// Numbers of a cell.
pub const NUMBERS: usize = COLOURS + 1;

/// Numbers of the planes of all colours.
pub const PLANES: usize = COLOURS * 3;

/// Weights of the colours in luma (BT.709).
const LUMA: [f32; COLOURS] = [0.2126, 0.7152, 0.0722];

/// Colours darker than this say little: a sensor's noise is as large.
const DARK: f32 = 0.01;

/// The least deviation of a cell: of a bright one, and what is added for darker ones, at darkness.
const STEADY: f32 = 0.01;

/// Rounds of weighing anew.
const ROUNDS: usize = 8;

/// Standard deviation of a normal distribution whose median absolute deviation is 1.
const PER_MAD: f32 = 1.4826;

/// Deviations beyond which a cell does not count (Tukey's biweight, 95 % efficient).
const BEYOND: f32 = 4.685;

/// The slope that planes have without any cell that says otherwise: a normal distribution of this deviation about 0.
const SLOPE: f32 = 0.3;

/// The most that a picture is made brighter or darker, as a factor: beyond it the sensor has lost what the light has.
const MOST: f32 = 2.5;

/// What is measured of one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Cell {
    /// Mean of each colour, 0..1.
    pub colours: [f32; COLOURS],
    /// Mean absolute difference of luma between horizontal neighbours.
    pub detail: f32,
}

impl Cell {
    /// Logarithm of a colour.
    pub fn log(&self, colour: usize) -> f32 {
        self.colours[colour].max(DARK).ln()
    }
}

/// What a cell usually looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Usual {
    /// Medians of the logarithms of its numbers.
    pub median: [f32; NUMBERS],
    /// Deviations of the logarithms of its numbers.
    pub deviation: [f32; NUMBERS],
}

impl Usual {
    /// The deviation that counts for a colour: darker ones say less.
    pub fn spread(&self, colour: usize) -> f32 {
        self.deviation[colour] + STEADY + DARK / self.median[colour].exp()
    }
}

/// Logarithm of the gain of one colour across a picture: a plane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Gain {
    /// In the middle.
    pub level: f32,
    /// What is added at the right edge, and subtracted at the left one.
    pub slope_x: f32,
    /// What is added at the lower edge, and subtracted at the upper one.
    pub slope_y: f32,
}

/// Measures the cells of a picture, by each fourth row of it. A rectangle narrower or lower than a cell's share of pixels
/// gives several cells the same pixels. `cells` is written.
///
/// # Errors
/// When the picture or the cells have another size than `spec` and the shapes say, `visible` is empty or reaches beyond the
/// picture, or operands live apart.
pub fn cells<'a>(
    picture: impl Into<BufferView<'a>>,
    spec: &PreprocessSpec,
    visible: PixelRect,
    cells: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (picture, cells) = (picture.into(), cells.into());
    check(picture.len(), spec, visible)?;
    check_len(OP, "numbers of cells", CELLS * NUMBERS, cells.len())?;
    match (picture, cells) {
        (BufferView::Host(picture), BufferViewMut::Host(cells)) => {
            cells.copy_from_slice(bytemuck::cast_slice(&cpu::cells(picture, spec, visible)));
            Ok(())
        }
        (BufferView::Cuda(picture), BufferViewMut::Cuda(cells)) => {
            check_floats(OP, &cells, &[&picture, cells.as_slice()])?;
            cuda::cells(picture, spec, visible, &cells)
        }
        _ => Err(apart(OP)),
    }
}

/// The planes that cells lie above the usual ones, and the gains that bring them to a range.
///
/// `range` (2, 9) has the lowest and the highest [`tinted`] numbers of planes that stay as they are. Gains bring all of them to
/// the nearest in the range. They are 0 where that is too far away: where a colour would become 2.5 times as bright or dark.
/// `found` (2, 3, 3), planes and gains, is written.
///
/// # Errors
/// When an operand has another length than the shapes say, or operands live apart.
pub fn compare<'a>(
    cells: impl Into<BufferView<'a>>,
    usual: impl Into<BufferView<'a>>,
    range: impl Into<BufferView<'a>>,
    found: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (cells, usual, range, found) = (cells.into(), usual.into(), range.into(), found.into());
    check_len(OP, "numbers of cells", CELLS * NUMBERS, cells.len())?;
    check_len(OP, "numbers of usual cells", CELLS * 2 * NUMBERS, usual.len())?;
    check_len(OP, "numbers of a range", 2 * PLANES, range.len())?;
    check_len(OP, "numbers of planes and gains", 2 * PLANES, found.len())?;
    match (cells, usual, range, found) {
        (
            BufferView::Host(cells),
            BufferView::Host(usual),
            BufferView::Host(range),
            BufferViewMut::Host(found),
        ) => {
            fit::compare(bytemuck::cast_slice(cells), bytemuck::cast_slice(usual), range, found);
            Ok(())
        }
        (
            BufferView::Cuda(cells),
            BufferView::Cuda(usual),
            BufferView::Cuda(range),
            BufferViewMut::Cuda(found),
        ) => {
            check_floats(OP, &found, &[&cells, &usual, &range, found.as_slice()])?;
            cuda::compare(cells, usual, range, &found)
        }
        _ => Err(apart(OP)),
    }
}

/// Multiplies the colours of a picture by gains (3, 3), up to the brightest colour, 1. Where all gains are 0, it stays as it is.
///
/// # Errors
/// As [`cells`].
pub fn relight<'a>(
    picture: impl Into<BufferViewMut<'a>>,
    spec: &PreprocessSpec,
    visible: PixelRect,
    gains: impl Into<BufferView<'a>>,
) -> Result<()> {
    let (picture, gains) = (picture.into(), gains.into());
    check(picture.len(), spec, visible)?;
    check_len(OP, "numbers of gains", PLANES, gains.len())?;
    match (picture, gains) {
        (BufferViewMut::Host(picture), BufferView::Host(gains)) => {
            if gains.iter().any(|v| *v != 0.0) {
                cpu::relight(picture, spec, visible, bytemuck::cast_slice(gains));
            }
            Ok(())
        }
        (BufferViewMut::Cuda(picture), BufferView::Cuda(gains)) => {
            check_floats(OP, &picture, &[&gains, picture.as_slice()])?;
            cuda::relight(&picture, spec, visible, gains)
        }
        _ => Err(apart(OP)),
    }
}

/// Planes as light changes: of levels and of both slopes the mean of the colours, and how far red and blue lie above it. Light
/// that is brighter or darker keeps its tint.
pub fn tinted(planes: &[Gain; COLOURS]) -> [f32; PLANES] {
    let mut numbers = [0.0; PLANES];
    let [red, green, blue] = planes.map(|plane| [plane.level, plane.slope_x, plane.slope_y]);
    for (at, numbers) in numbers.chunks_exact_mut(COLOURS).enumerate() {
        let mean = (red[at] + green[at] + blue[at]) / COLOURS as f32;
        numbers.copy_from_slice(&[mean, red[at] - mean, blue[at] - mean]);
    }
    numbers
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

/// The place of pixel or cell `i` of `n`, from -1 to 1.
fn place(i: usize, n: usize) -> f32 {
    (2.0 * i as f32 + 1.0) / n as f32 - 1.0
}

/// The pixels of cell `i` of a length of `n`: at least one.
fn span(i: usize, n: usize) -> std::ops::Range<usize> {
    let start = (i * n / SIDE).min(n - 1);
    start..((i + 1) * n / SIDE).max(start + 1)
}
