//! Mamba's short convolution: each channel is filtered along its sequence by its own four taps, looking back only,
//! then SiLU.
//!
//! y_t = silu(bias + sum over k of w_k x_{t - 3 + k}): the last tap meets the current token, and what lies before a
//! sequence is zero.
//!
//! # Shapes
//! x, y (sequences * len, d), tokens as rows; w (4, d), tap by tap; bias (d).

pub mod backward;
mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};

const OP: &str = "causal_conv";

/// Number of taps.
pub const TAPS: usize = 4;

/// Filters sequences of `len` tokens of `x` into `y`.
///
/// # Errors
/// When a length does not fit the channels of `bias`, x is no whole sequences, or an operand lives on a device.
pub fn causal_conv<'a>(
    x: impl Into<BufferView<'a>>,
    len: usize,
    w: impl Into<BufferView<'a>>,
    bias: impl Into<BufferView<'a>>,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, w, bias, y) = (x.into().host(OP)?, w.into().host(OP)?, bias.into().host(OP)?, y.into().host(OP)?);
    check(x, len, w, bias, y)?;
    cpu::causal_conv(x, len, w, bias, y);
    Ok(())
}

fn check(x: &[f32], len: usize, w: &[f32], bias: &[f32], y: &[f32]) -> Result<()> {
    check_len(OP, "taps", TAPS * bias.len(), w.len())?;
    check_len(OP, "y", x.len(), y.len())?;
    let sequence = len * bias.len();
    if x.len() / sequence.max(1) * sequence != x.len() {
        let expected = format!("whole sequences of {len} tokens of {} channels", bias.len());
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", x.len()) });
    }
    Ok(())
}
