//! A step along the residual stream: u = u + h, then y = norm(u), the norm being taken over the channels of a token.
//!
//! RMS norm: y = u / sqrt(mean(u^2) + eps) w. Layer norm: y = (u - mean) / sqrt(var + eps) w + b, var being the biased
//! one.
//!
//! # Shapes
//! h, u, y (m, d) row-major; w, b (d). A device may keep y as bf16.
//!
//! `add_norm_in_turns` has the norms of several layers: w, b (layers, d), and rows in blocks, which go through them in turns.

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

/// As [`add_norm`], of rows of `d` elements: block i of `len` rows by layer i modulo the number of layers in `norm`.
///
/// # Errors
/// When u is no whole blocks, a length does not fit, or operands live apart.
pub fn add_norm_in_turns<'a>(
    h: Option<BufferView<'a>>,
    u: impl Into<BufferViewMut<'a>>,
    [len, d]: [usize; 2],
    norm: Norm<impl Into<BufferView<'a>>>,
    eps: f32,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (u, y) = (u.into(), y.into());
    let (weight, bias) = match norm {
        Norm::Rms { weight } => (weight.into(), None),
        Norm::Layer { weight, bias } => (weight.into(), Some(bias.into())),
    };
    let (block, layers) = ((len * d).max(1), weight.len() / d.max(1));
    if layers == 0 || u.len() / block * block != u.len() {
        let expected = format!("blocks of {len} rows of {d}, and layers");
        let found = format!("{} elements and {layers} layers", u.len());
        return Err(Error::Shape { op: OP, expected, found });
    }
    check_len(OP, "weight", layers * d, weight.len())?;
    check_len(OP, "bias", weight.len(), bias.map_or(weight.len(), |bias| bias.len()))?;
    check_len(OP, "y", u.len(), y.len())?;
    check_len(OP, "h", u.len(), h.map_or(u.len(), |h| h.len()))?;
    match (u, weight, y) {
        (BufferViewMut::Host(u), BufferView::Host(weight), BufferViewMut::Host(y)) => {
            let here = |view: Option<BufferView<'a>>| view.map(|view| view.here(OP)).transpose();
            let (h, bias) = (here(h)?, here(bias)?);
            for (i, (u, y)) in u.chunks_exact_mut(block).zip(y.chunks_exact_mut(block)).enumerate() {
                let (h, of) = (h.map(|h| &h[i * block..][..block]), i % layers * d);
                let weight = &weight[of..][..d];
                let norm = match bias {
                    None => Norm::Rms { weight },
                    Some(bias) => Norm::Layer { weight, bias: &bias[of..][..d] },
                };
                cpu::add_norm(h, u, &norm, d, eps, y);
            }
            Ok(())
        }
        (BufferViewMut::Cuda(u), BufferView::Cuda(weight), BufferViewMut::Cuda(y)) => {
            let there = |view: Option<BufferView<'a>>| view.map(|view| view.there(OP)).transpose();
            let (h, bias) = (there(h)?, there(bias)?);
            for optional in [&h, &bias] {
                check_floats(OP, &y, optional.as_ref().as_slice())?;
            }
            check_floats(OP, &y, &[u.as_slice(), &weight])?;
            cuda::add_norm(h, &u, [len, d], weight, bias, eps, &y)
        }
        _ => Err(apart(OP)),
    }
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
