//! A step along the residual stream: u = u + h, then y = norm(u), the norm being taken over the channels of a token.
//!
//! RMS norm: y = u / sqrt(mean(u^2) + eps) w. Layer norm: y = (u - mean) / sqrt(var + eps) w + b, var being the biased
//! one.
//!
//! # Shapes
//! h, u, y (m, d) row-major; w, b (d).

pub mod backward;
mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Result, check_len};

/// How the stream is normalised.
#[derive(Debug, Clone, Copy)]
pub enum Norm<T> {
    /// By its root mean square.
    Rms {
        /// w
        weight: T,
    },
    /// By its mean and deviation.
    Layer {
        /// w
        weight: T,
        /// b
        bias: T,
    },
}

impl<T> Norm<T> {
    fn host<'a>(self, op: &'static str) -> Result<Norm<&'a [f32]>>
    where
        T: Into<BufferView<'a>>,
    {
        Ok(match self {
            Self::Rms { weight } => Norm::Rms { weight: weight.into().host(op)? },
            Self::Layer { weight, bias } => {
                Norm::Layer { weight: weight.into().host(op)?, bias: bias.into().host(op)? }
            }
        })
    }
}

/// Normalises each row of `u` into `y`.
///
/// # Errors
/// When a length does not fit the width of the norm, or an operand lives on a device.
pub fn norm<'a>(
    u: impl Into<BufferView<'a>>,
    norm: Norm<impl Into<BufferView<'a>>>,
    eps: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (u, norm, y) = (u.into().host(OP)?, norm.host(OP)?, y.into().host(OP)?);
    let d = check(u, &norm, y)?;
    cpu::norm(u, &norm, d, eps, y);
    Ok(())
}

/// Adds `h` to the stream `u`, unless the stream has only begun, and normalises each row of it into `y`.
///
/// # Errors
/// When a length does not fit the width of the norm, or an operand lives on a device.
pub fn add_norm<'a>(
    h: Option<BufferView<'a>>,
    u: impl Into<BufferViewMut<'a>>,
    norm: Norm<impl Into<BufferView<'a>>>,
    eps: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let h = h.map(|h| h.host(OP)).transpose()?;
    let (u, norm, y) = (u.into().host(OP)?, norm.host(OP)?, y.into().host(OP)?);
    let d = check(u, &norm, y)?;
    check_len(OP, "h", u.len(), h.map_or(u.len(), <[f32]>::len))?;
    cpu::add_norm(h, u, &norm, d, eps, y);
    Ok(())
}

const OP: &str = "add_norm";

/// Checks what is read, for a result `y`, and returns the width of a row.
fn check(u: &[f32], norm: &Norm<&[f32]>, y: &[f32]) -> Result<usize> {
    let (Norm::Rms { weight } | Norm::Layer { weight, .. }) = norm;
    let d = weight.len();
    if let Norm::Layer { bias, .. } = norm {
        check_len(OP, "bias", d, bias.len())?;
    }
    check_len(OP, "u", u.len() / d.max(1) * d, u.len())?;
    check_len(OP, "y", u.len(), y.len())?;
    Ok(d)
}
