//! Columns multiplied by factors of their own: x\[i, j\] = x\[i, j\] factors\[j\].
//!
//! # Shapes
//! x (n, d) row-major, in place; factors (d).

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

const OP: &str = "scale_columns";

/// Multiplies each column of x by its factor.
///
/// # Errors
/// When x is not whole rows, or an operand lives on a device.
pub fn scale_columns<'a>(x: impl Into<BufferViewMut<'a>>, factors: impl Into<BufferView<'a>>) -> Result<()> {
    let (x, factors) = (x.into().host(OP)?, factors.into().host(OP)?);
    let d = factors.len();
    check_len(OP, "x", x.len() / d.max(1) * d, x.len())?;
    if !x.is_empty() {
        cpu::scale_columns(x, factors);
    }
    Ok(())
}
