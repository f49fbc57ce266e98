//! One step of AdamW (Loshchilov and Hutter 2019): Adam with the weight decay taken from the parameter itself.
//!
//! g = scale g; p = p - rate decay p; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
//! p = p - rate / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps).
//!
//! # Shapes
//! p, g, m, v of one length.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};

const OP: &str = "adamw";

/// Constants of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Learning rate.
    pub rate: f64,
    /// Weight decay, by which and the rate a parameter shrinks.
    pub decay: f64,
    /// Memory of the two moments, below 1.
    pub betas: (f64, f64),
    /// What keeps a division from overflowing.
    pub eps: f64,
    /// Steps of this parameter, this one included: from 1.
    pub number: u64,
    /// What gradients are multiplied with beforehand, for clipping.
    pub scale: f64,
}

/// Moves parameters `p` by their gradients `g`, and the moments `m` and `v` with them.
///
/// # Errors
/// When the lengths differ, the step has no number, or an operand lives on a device.
pub fn adamw<'a>(
    p: impl Into<BufferViewMut<'a>>,
    g: impl Into<BufferView<'a>>,
    m: impl Into<BufferViewMut<'a>>,
    v: impl Into<BufferViewMut<'a>>,
    step: &Step,
) -> Result<()> {
    let (p, g, m, v) = (p.into().host(OP)?, g.into().host(OP)?, m.into().host(OP)?, v.into().host(OP)?);
    check_len(OP, "g", p.len(), g.len())?;
    check_len(OP, "m", p.len(), m.len())?;
    check_len(OP, "v", p.len(), v.len())?;
    if step.number == 0 {
        return Err(Error::Shape { op: OP, expected: "a step number from 1".into(), found: "0".into() });
    }
    cpu::adamw(p, g, m, v, step);
    Ok(())
}
