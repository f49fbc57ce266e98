//! The MLP of a block in one go: y = y + W2 gelu(W1 norm(x) + b1) + b2, norm being that of [`crate::layer_norm`].
//!
//! # Shapes
//! x, y (m, d) row-major; the norm's weight and bias (d); W1 (h, d), b1 (h); W2 (d, h), b2 (d).
//!
//! On the host a task takes some rows through all of it, so that what lies between stays in its cache; each row is what
//! `layer_norm` and `linear` make of it one after the other, to the bit. A device runs these, and keeps what lies between as bf16.

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{Buffer, BufferView, BufferViewMut, Place, apart};
use crate::error::{Result, check_len};
use crate::linear::Weights;

const OP: &str = "mlp";

/// The layers.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// Weight and bias of the norm.
    pub norm: [BufferView<'a>; 2],
    /// What the norm adds to the variance.
    pub eps: f32,
    /// W1.
    pub up: Weights<'a>,
    /// b1.
    pub up_bias: BufferView<'a>,
    /// W2.
    pub down: Weights<'a>,
    /// b2.
    pub down_bias: BufferView<'a>,
}

/// What lies between the layers: it grows at the first run and is kept.
#[derive(Debug, Default)]
pub struct Workspace {
    tasks: Vec<cpu::Task>,
    /// Of a device.
    normed: Buffer,
    hidden: Buffer,
}

impl Workspace {
    /// For runs at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(place: &Place) -> Result<Self> {
        let room = || Buffer::of_products(place, 0);
        Ok(Self { tasks: Vec::new(), normed: room()?, hidden: room()? })
    }
}

/// Adds what the layers make of each row of x to y. Rows are shared among the threads of the pool.
///
/// # Errors
/// When a length does not fit, or operands live apart.
pub fn mlp<'a>(
    x: impl Into<BufferView<'a>>,
    layers: Layers<'a>,
    workspace: &mut Workspace,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    let Layers { norm, eps, up, up_bias, down, down_bias } = layers;
    let (d, h) = (norm[0].len(), up_bias.len());
    let rows = x.len() / d.max(1);
    check_len(OP, "x", rows * d, x.len())?;
    check_len(OP, "y", x.len(), y.len())?;
    let (x, up, down, y) = match (x, up, down, y) {
        (BufferView::Host(x), Weights::Host(up), Weights::Host(down), BufferViewMut::Host(y)) => {
            (x, up, down, y)
        }
        (x @ BufferView::Cuda(_), _, _, y) => return cuda::mlp(x, layers, workspace, y),
        _ => return Err(apart(OP)),
    };
    for (what, expected, found) in [
        ("bias of the norm", d, norm[1].len()),
        ("row of W1", d, up.k()),
        ("rows of W1", h, up.n()),
        ("row of W2", h, down.k()),
        ("rows of W2", d, down.n()),
        ("b2", d, down_bias.len()),
    ] {
        check_len(OP, what, expected, found)?;
    }
    let norm = cpu::Norm { weight: norm[0].here(OP)?, bias: norm[1].here(OP)?, eps };
    let (up, down) = ((up, up_bias.here(OP)?), (down, down_bias.here(OP)?));
    cpu::mlp(x, norm, up, down, &mut workspace.tasks, y);
    Ok(())
}
