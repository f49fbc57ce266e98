//! Scores of places that nobody looks at become 0.
//!
//! # Shapes
//! x, hidden (n), in place.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::error::{Result, check_len};

/// Takes the score of each place whose flag is set.
///
/// # Errors
/// When the lengths differ.
pub fn hide(x: &mut [f32], hidden: &[bool]) -> Result<()> {
    check_len("hide", "flags", x.len(), hidden.len())?;
    cpu::hide(x, hidden);
    Ok(())
}
