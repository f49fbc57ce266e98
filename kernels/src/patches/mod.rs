//! Squares of pixels or cells laid out as rows, for a matrix product to read: a convolution whose squares do not overlap.
//!
//! # Shapes
//! `patches`: image (c, h, w) -> rows (h / p * w / p, c * p * p); patches row-major, each as (c, p, p).
//! `merge`: cells (h, w, c) -> rows (h / 2 * w / 2, 4 c), each the cells of a square, row by row.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};
use crate::grid::Grid;

/// Lays out the squares of `p` x `p` pixels of an image with planes of `size`.
///
/// # Errors
/// When the image is not whole planes, `p` does not divide rows and columns, the rows hold another number of values than the
/// image, or they live apart.
pub fn patches<'a>(
    image: impl Into<BufferView<'a>>,
    size: Grid,
    p: usize,
    rows: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (image, rows) = (image.into(), rows.into());
    let whole = p > 0 && [size.rows, size.columns].iter().all(|n| n.is_multiple_of(p));
    if !whole || size.cells() == 0 || !image.len().is_multiple_of(size.cells()) {
        let expected = format!("planes of {size} pixels, whole patches of {p}");
        return Err(Error::Shape { op: "patches", expected, found: format!("{} values", image.len()) });
    }
    check_len("patches", "rows", image.len(), rows.len())?;
    match (image, rows) {
        (BufferView::Host(image), BufferViewMut::Host(rows)) => {
            cpu::patches(image, size, p, rows);
            Ok(())
        }
        (BufferView::Cuda(image), BufferViewMut::Cuda(rows)) => {
            check_floats("patches", &rows, &[&image])?;
            cuda::patches(image, size, p, &rows)
        }
        _ => Err(apart("patches")),
    }
}

/// Lays out the squares of 2 x 2 cells of a map of `grid` with `c` channels.
///
/// # Errors
/// When rows or columns are odd, a length does not fit, or operands live apart.
pub fn merge<'a>(
    cells: impl Into<BufferView<'a>>,
    grid: Grid,
    c: usize,
    rows: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (cells, rows) = (cells.into(), rows.into());
    if !grid.rows.is_multiple_of(2) || !grid.columns.is_multiple_of(2) {
        let expected = "even rows and columns".to_owned();
        return Err(Error::Shape { op: "merge", expected, found: grid.to_string() });
    }
    check_len("merge", "cells", grid.cells() * c, cells.len())?;
    check_len("merge", "rows", cells.len(), rows.len())?;
    match (cells, rows) {
        (BufferView::Host(cells), BufferViewMut::Host(rows)) => {
            cpu::merge(cells, grid, c, rows);
            Ok(())
        }
        (BufferView::Cuda(cells), BufferViewMut::Cuda(rows)) => {
            check_floats("merge", &rows, &[&cells])?;
            cuda::merge(cells, grid, c, &rows)
        }
        _ => Err(apart("merge")),
    }
}
