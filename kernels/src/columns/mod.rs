//! Rows as some of the columns of wider rows: y\[i, first + j\] = scale x\[i, j\]. Other columns stay as they are.
//!
//! # Shapes
//! x (n, c), y (n, width), row-major; a device may keep y as bf16.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

const OP: &str = "columns";

/// Where rows go in wider rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Width of a row of y.
    pub width: usize,
    /// Column of y that takes the first of x.
    pub first: usize,
}

impl Place {
    /// All columns of rows of that width: rows are copied, or brought to another precision.
    pub fn all(width: usize) -> Self {
        Self { width, first: 0 }
    }
}

/// Writes rows of `c` elements, multiplied by `scale`, to their place in rows of y.
///
/// # Errors
/// When x is not whole rows, the columns reach beyond y's, y has another number of rows, or operands live apart.
pub fn columns<'a>(
    x: impl Into<BufferView<'a>>,
    c: usize,
    scale: f32,
    place: Place,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    let Place { width, first } = place;
    if first + c > width {
        let expected = format!("columns among {width}");
        return Err(Error::Shape { op: OP, expected, found: format!("{c} from {first} on") });
    }
    let n = x.len() / c.max(1);
    check_len(OP, "x", n * c, x.len())?;
    check_len(OP, "y", n * width, y.len())?;
    match (x, y) {
        (BufferView::Host(x), BufferViewMut::Host(y)) => {
            if !x.is_empty() {
                cpu::columns(x, c, scale, place, y);
            }
            Ok(())
        }
        (BufferView::Cuda(x), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x])?;
            cuda::columns(x, c, scale, place, &y)
        }
        _ => Err(apart(OP)),
    }
}
