//! Instance normalisation (arXiv 1607.08022) without affine parameters: each channel of a map is brought to mean 0 and
//! variance 1 over all cells of that map, the variance being the biased one.
//!
//! y = then((y - mean) / sqrt(var + eps))
//!
//! # Shapes
//! y (cells, c) row-major, in place.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Workspace;

use crate::device::BufferViewMut;
use crate::device::cuda::check_floats;
use crate::error::{Error, Result, check_len};

/// What happens to a normalised value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Store,
    /// v / (1 + exp(-v))
    Silu,
}

/// Normalises a map of `c` channels. `workspace` grows at the first call of the host and is kept.
///
/// # Errors
/// When y is no whole cells, or the device fails.
pub fn instance_norm<'a>(
    y: impl Into<BufferViewMut<'a>>,
    c: usize,
    eps: f32,
    then: Then,
    workspace: &mut Workspace,
) -> Result<()> {
    const OP: &str = "instance_norm";
    let y = y.into();
    if c == 0 {
        let expected = "at least 1 channel".to_owned();
        return Err(Error::Shape { op: OP, expected, found: c.to_string() });
    }
    check_len(OP, "map", y.len() / c * c, y.len())?;
    match y {
        y if y.is_empty() => Ok(()),
        BufferViewMut::Host(y) => {
            cpu::instance_norm(y, c, eps, then, workspace);
            Ok(())
        }
        BufferViewMut::Cuda(y) => {
            check_floats(OP, &y, &[y.as_slice()])?;
            cuda::instance_norm(&y, c, eps, then)
        }
    }
}
