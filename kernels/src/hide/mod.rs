//! Scores of places that nobody looks at become 0.
//!
//! # Shapes
//! x, hidden (n), in place.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferViewMut;
use crate::error::{Result, check_len};

const OP: &str = "hide";

/// Takes the score of each place whose flag is set.
///
/// # Errors
/// When the lengths differ, or an operand lives on a device.
pub fn hide<'a>(x: impl Into<BufferViewMut<'a>>, hidden: &[bool]) -> Result<()> {
    let x = x.into().host(OP)?;
    check_len(OP, "flags", x.len(), hidden.len())?;
    cpu::hide(x, hidden);
    Ok(())
}
