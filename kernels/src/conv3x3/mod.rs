//! Convolution of maps with 3 x 3 taps, stride 1, taps `dilation` cells apart and as much padding with zeros, so
//! that a map keeps its size; what usually follows is fused in.
//!
//! # Shapes
//! x (maps, rows, columns, c_in), y (maps, rows, columns, c_out), channels last; weight (c_out, c_in, 3, 3) as PyTorch has it,
//! packed once into a [`Kernel`]; bias (c_out).

pub mod backward;
mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Workspace;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};
use crate::grid::Grid;
use crate::tile::Panels;

const OP: &str = "conv3x3";

/// Side of the square of taps.
pub const SIDE: usize = 3;

/// Cells that an output looks at.
pub const TAPS: usize = SIDE * SIDE;

/// What happens to the sum and its bias on their way to y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Store,
    /// max(0, .)
    Relu,
}

/// Weights and bias, ready to run.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// (9 c_in, c_out), rows by tap and then channel.
    panels: Panels,
    bias: Vec<f32>,
    c_in: usize,
}

impl Kernel {
    /// Packs a weight (c_out, c_in, 3, 3) with its bias (c_out).
    ///
    /// # Errors
    /// When the weight is not a whole number of taps and channels.
    pub fn new(weight: &[f32], bias: Vec<f32>) -> Result<Self> {
        let c_out = bias.len();
        let c_in = weight.len() / (c_out * TAPS).max(1);
        check_len(OP, "weight", c_out * c_in.max(1) * TAPS, weight.len())?;
        let mut panels = Panels::default();
        panels.pack(TAPS * c_in, c_out, |row, out| weight[(out * c_in + row % c_in) * TAPS + row / c_in]);
        Ok(Self { panels, bias, c_in })
    }

    /// Channels of x.
    pub fn c_in(&self) -> usize {
        self.c_in
    }

    /// Channels of y.
    pub fn c_out(&self) -> usize {
        self.bias.len()
    }
}

/// Convolves maps of `grid`. `workspace` grows at the first call and is kept.
///
/// # Errors
/// When x is no whole maps, y has another size, or an operand lives on a device.
pub fn conv3x3<'a>(
    x: impl Into<BufferView<'a>>,
    grid: Grid,
    kernel: &Kernel,
    dilation: usize,
    then: Then,
    workspace: &mut Workspace,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, y) = (x.into().host(OP)?, y.into().host(OP)?);
    let map = grid.cells() * kernel.c_in;
    if x.len() / map.max(1) * map != x.len() {
        let expected = format!("whole maps of {grid} cells of {} channels", kernel.c_in);
        return Err(Error::Shape { op: OP, expected, found: format!("{} elements", x.len()) });
    }
    check_len(OP, "y", x.len() / kernel.c_in.max(1) * kernel.c_out(), y.len())?;
    cpu::conv3x3(x, grid, kernel, dilation, then, workspace, y);
    Ok(())
}
