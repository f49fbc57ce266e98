//! Overlapping windows of an image laid in rows, so that a dense convolution of the image is a linear layer: windows of
//! `side` x `side` pixels, `step` pixels apart, with zeros around the image as TensorFlow's padding "SAME" has them (half
//! of them before the image and half behind it, the odd one behind).
//!
//! y\[r, q, p, i, j\] = x\[p, step r + i - above, step q + j - left\]
//!
//! # Shapes
//! x (planes, height, width); y (ceil(height / step) ceil(width / step), planes side side), each row in the order of a
//! convolution's weight. A device may keep y as bf16.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

const OP: &str = "unfold";

/// Side of a window and pixels from one window to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Side in pixels.
    pub side: usize,
    /// Pixels from one to the next.
    pub step: usize,
}

/// Lays the windows of an image of `height` x `width` pixels in rows.
///
/// # Errors
/// When side or step is 0, x is not whole planes, y has another size, or operands live apart.
pub fn unfold<'a>(
    x: impl Into<BufferView<'a>>,
    height: usize,
    width: usize,
    window: Window,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    let Window { side, step } = window;
    if side == 0 || step == 0 {
        let expected = "a side and a step of at least 1".to_owned();
        return Err(Error::Shape { op: OP, expected, found: format!("{side} and {step}") });
    }
    let plane = height * width;
    let planes = x.len() / plane.max(1);
    check_len(OP, "x", planes * plane, x.len())?;
    check_len(OP, "y", height.div_ceil(step) * width.div_ceil(step) * planes * side * side, y.len())?;
    match (x, y) {
        (_, y) if y.is_empty() => Ok(()),
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::unfold(x, [height, width], window, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x])?;
            cuda::unfold(x, [height, width], window, &y)
        }
        _ => Err(apart(OP)),
    }
}
