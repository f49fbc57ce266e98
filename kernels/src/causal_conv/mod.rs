//! Mamba's short convolution: each channel is filtered along its sequence by its own four taps, looking back only,
//! then SiLU.
//!
//! y_t = silu(bias + sum over k of w_k x_{t - 3 + k}): the last tap meets the current token, and what lies before a
//! sequence is zero.
//!
//! # Shapes
//! x, y (sequences * len, d), tokens as rows; w (4, d), tap by tap; bias (d). A device may keep y as bf16.
//!
//! `causal_conv_in_turns` has several layers: w (layers, 4, d), bias (layers, d), and sequences go through them in turns.

pub mod backward;
mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, apart};
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

/// As [`causal_conv`], of `d` channels: sequence i by layer i modulo the number of layers.
///
/// # Errors
/// When x is no whole sequences, a length does not fit, or operands live apart.
pub fn causal_conv_in_turns<'a>(
    x: impl Into<BufferView<'a>>,
    [len, d]: [usize; 2],
    w: impl Into<BufferView<'a>>,
    bias: impl Into<BufferView<'a>>,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, w, bias, y) = (x.into(), w.into(), bias.into(), y.into());
    let (sequence, layers) = ((len * d).max(1), bias.len() / d.max(1));
    check_len(OP, "bias", layers.max(1) * d, bias.len())?;
    check_len(OP, "taps", TAPS * bias.len(), w.len())?;
    check_len(OP, "y", x.len(), y.len())?;
    check_sequences(x.len(), len, d)?;
    match (x, w, bias, y) {
        (BufferView::Host(x), BufferView::Host(w), BufferView::Host(bias), BufferViewMut::Host(y)) => {
            for (i, (x, y)) in x.chunks_exact(sequence).zip(y.chunks_exact_mut(sequence)).enumerate() {
                let layer = i % layers;
                cpu::causal_conv(x, len, &w[layer * TAPS * d..][..TAPS * d], &bias[layer * d..][..d], y);
            }
            Ok(())
        }
        (BufferView::Cuda(x), BufferView::Cuda(w), BufferView::Cuda(bias), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x, &w, &bias])?;
            cuda::causal_conv(x, [len, d], w, bias, &y)
        }
        _ => Err(apart(OP)),
    }
}

fn check(x: &[f32], len: usize, w: &[f32], bias: &[f32], y: &[f32]) -> Result<()> {
    check_len(OP, "taps", TAPS * bias.len(), w.len())?;
    check_len(OP, "y", x.len(), y.len())?;
    check_sequences(x.len(), len, bias.len())
}

fn check_sequences(elements: usize, len: usize, d: usize) -> Result<()> {
    let sequence = len * d;
    if elements / sequence.max(1) * sequence == elements {
        return Ok(());
    }
    let expected = format!("whole sequences of {len} tokens of {d} channels");
    Err(Error::Shape { op: OP, expected, found: format!("{elements} elements") })
}
