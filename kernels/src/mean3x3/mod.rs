//! Mean of each cell of a map and the cells around it, channel by channel; at the edges of those that exist.
//!
//! y\[r, q, c\] = mean of x\[i, j, c\] over i in r-1..=r+1, j in q-1..=q+1 inside the map
//!
//! # Shapes
//! x, y (maps, height, width, c), channels last.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

const OP: &str = "mean3x3";

/// Averages maps of `height` x `width` cells of `c` channels.
///
/// # Errors
/// When x is not whole maps, y has another size, or operands live apart.
pub fn mean3x3<'a>(
    x: impl Into<BufferView<'a>>,
    height: usize,
    width: usize,
    c: usize,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    let map = height * width * c;
    if x.len() / map.max(1) * map != x.len() {
        let expected = format!("whole maps of {height} x {width} cells of {c} channels");
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", x.len()) });
    }
    check_len(OP, "y", x.len(), y.len())?;
    match (x, y) {
        (x, _) if x.is_empty() => Ok(()),
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            cpu::mean3x3(x, [height, width], c, y);
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x, y.as_slice()])?;
            cuda::mean3x3(x, [height, width], c, &y)
        }
        _ => Err(apart(OP)),
    }
}
