//! Squares of pixels or cells laid out as rows, for a matrix product to read: a convolution whose squares do not overlap.
//!
//! # Shapes
//! `patches`: image (c, side, side) -> rows (n * n, c * p * p) with n = side / p; patches row-major, each as (c, p, p).
//! `merge`: cells (side, side, c) -> rows (side / 2 * side / 2, 4 c), each the cells of a square, row by row.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result, check_len};

/// Lays out the squares of `p` x `p` pixels of an image of square planes.
///
/// # Errors
/// When the image is not whole planes, `p` does not divide the side, or the rows hold another number of values than the image.
pub fn patches(image: &[f32], side: usize, p: usize, rows: &mut [f32]) -> Result<()> {
    if p == 0 || side == 0 || !side.is_multiple_of(p) || !image.len().is_multiple_of(side * side) {
        let expected = format!("planes of {side} x {side} pixels, whole patches of {p}");
        return Err(Error::Shape { op: "patches", expected, found: format!("{} values", image.len()) });
    }
    check_len("patches", "rows", image.len(), rows.len())?;
    cpu::patches(image, side, p, rows);
    Ok(())
}

/// Lays out the squares of 2 x 2 cells of a map with `c` channels.
///
/// # Errors
/// When the side is odd or a length does not fit.
pub fn merge(cells: &[f32], side: usize, c: usize, rows: &mut [f32]) -> Result<()> {
    if !side.is_multiple_of(2) {
        let expected = "an even side".to_owned();
        return Err(Error::Shape { op: "merge", expected, found: side.to_string() });
    }
    check_len("merge", "cells", side * side * c, cells.len())?;
    check_len("merge", "rows", cells.len(), rows.len())?;
    cpu::merge(cells, side, c, rows);
    Ok(())
}
