//! A map of which only a rectangle shows the picture: the rest continues its edges, or holds nothing.
//!
//! # Shapes
//! x (h, w) row-major, in place; the rectangle lies inside.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferViewMut;
use crate::error::{Error, Result};
use crate::preprocess::PixelRect;

const OP: &str = "window";

/// Lets the values at the edges of the rectangle go on outside of it. An empty rectangle changes nothing.
///
/// # Errors
/// When x is not whole rows of `w`, the rectangle lies outside, or an operand lives on a device.
pub fn extend<'a>(x: impl Into<BufferViewMut<'a>>, w: usize, window: PixelRect) -> Result<()> {
    let x = x.into().host(OP)?;
    check(x, w, window)?;
    if window.width * window.height > 0 {
        cpu::extend(x, w, window);
    }
    Ok(())
}

/// Replaces everything outside of the rectangle by 0.
///
/// # Errors
/// As [`extend`].
pub fn clear<'a>(x: impl Into<BufferViewMut<'a>>, w: usize, window: PixelRect) -> Result<()> {
    let x = x.into().host(OP)?;
    check(x, w, window)?;
    cpu::clear(x, w, window);
    Ok(())
}

fn check(x: &[f32], w: usize, window: PixelRect) -> Result<()> {
    let h = x.len() / w.max(1);
    if h * w == x.len() && window.x + window.width <= w && window.y + window.height <= h {
        return Ok(());
    }
    let expected = format!("whole rows of {w}, and a rectangle inside");
    Err(Error::Shape { op: OP, expected, found: format!("{} values and {window:?}", x.len()) })
}
