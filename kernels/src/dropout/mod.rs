//! Dropout: an element is dropped, with a probability p, or else divided by 1 - p. Which are dropped follows from a key
//! and the place of the element alone, so that the gradient drops the same ones and no state need be kept.
//!
//! # Shapes
//! x of any length, in place.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::BufferViewMut;
use crate::error::{Error, Result};

const OP: &str = "dropout";

/// Drops elements of `x` with probability `p`, from 0 to below 1. The gradient is the same operation on dy.
///
/// # Errors
/// When p is no such probability, or an operand lives on a device.
pub fn dropout<'a>(x: impl Into<BufferViewMut<'a>>, p: f32, key: u64) -> Result<()> {
    let x = x.into().host(OP)?;
    if !(0.0..1.0).contains(&p) {
        let expected = "a probability from 0 to below 1".to_owned();
        return Err(Error::Shape { op: OP, expected, found: p.to_string() });
    }
    if p > 0.0 {
        cpu::dropout(x, p, key);
    }
    Ok(())
}
