//! Linear layer: y = x W^T + b, with what usually follows it fused in.
//!
//! # Shapes
//! x (m, k) row-major, W (n, k) packed once into [`Panels`], b (n), y (m, n) row-major.

mod backward;
mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use self::backward::{bias_gradient, input_gradient};
pub use crate::tile::Panels;

use crate::error::{Result, check_len};

/// What happens to x W^T + b on its way to y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// y = x W^T + b
    Store,
    /// y = gelu(x W^T + b), exact (erf) form
    Gelu,
    /// y = min(max(x W^T + b, 0), 6)
    Relu6,
    /// y = y + x W^T + b: the residual stream of a transformer block
    Add,
}

/// Runs the layer on `x` and writes (or adds to) `y`. Rows are shared among the threads of the pool.
///
/// # Errors
/// When a length does not fit `w`.
pub fn linear(x: &[f32], w: &Panels, bias: &[f32], then: Then, y: &mut [f32]) -> Result<()> {
    let m = x.len() / w.k().max(1);
    check_len("linear", "x", m * w.k(), x.len())?;
    check_len("linear", "bias", w.n(), bias.len())?;
    check_len("linear", "y", m * w.n(), y.len())?;
    cpu::linear(x, w, bias, then, y);
    Ok(())
}
