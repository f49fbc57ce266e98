//! Squares of pixels or cells laid out as rows, for a matrix product to read: a convolution whose squares do not overlap.
//!
//! # Shapes
//! `patches`: image (c, side, side) -> rows (n * n, c * p * p) with n = side / p; patches row-major, each as (c, p, p).
//! `merge`: cells (side, side, c) -> rows (side / 2 * side / 2, 4 c), each the cells of a square, row by row.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

/// Lays out the squares of `p` x `p` pixels of an image of square planes.
///
/// # Errors
/// When the image is not whole planes, `p` does not divide the side, the rows hold another number of values than the image, or
/// they live apart.
pub fn patches<'a>(
    image: impl Into<BufferView<'a>>,
    side: usize,
    p: usize,
    rows: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (image, rows) = (image.into(), rows.into());
    if p == 0 || side == 0 || !side.is_multiple_of(p) || !image.len().is_multiple_of(side * side) {
        let expected = format!("planes of {side} x {side} pixels, whole patches of {p}");
        return Err(Error::Shape { op: "patches", expected, found: format!("{} values", image.len()) });
    }
    check_len("patches", "rows", image.len(), rows.len())?;
    match (image, rows) {
        (BufferView::Host(image), BufferViewMut::Host(rows)) => {
            cpu::patches(image, side, p, rows);
            Ok(())
        }
        (BufferView::Cuda(image), BufferViewMut::Cuda(rows)) => {
            check_floats("patches", &rows, &[&image])?;
            cuda::patches(image, side, p, &rows)
        }
        _ => Err(apart("patches")),
    }
}

/// Lays out the squares of 2 x 2 cells of a map with `c` channels.
///
/// # Errors
/// When the side is odd, a length does not fit, or operands live apart.
pub fn merge<'a>(
    cells: impl Into<BufferView<'a>>,
    side: usize,
    c: usize,
    rows: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (cells, rows) = (cells.into(), rows.into());
    if !side.is_multiple_of(2) {
        let expected = "an even side".to_owned();
        return Err(Error::Shape { op: "merge", expected, found: side.to_string() });
    }
    check_len("merge", "cells", side * side * c, cells.len())?;
    check_len("merge", "rows", cells.len(), rows.len())?;
    match (cells, rows) {
        (BufferView::Host(cells), BufferViewMut::Host(rows)) => {
            cpu::merge(cells, side, c, rows);
            Ok(())
        }
        (BufferView::Cuda(cells), BufferViewMut::Cuda(rows)) => {
            check_floats("merge", &rows, &[&cells])?;
            cuda::merge(cells, side, c, &rows)
        }
        _ => Err(apart("merge")),
    }
}
