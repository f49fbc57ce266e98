//! Convolution of maps with 3 x 3 taps, stride 1, taps `dilation` cells apart and as much padding with zeros, so
//! that a map keeps its size; what usually follows is fused in.
//!
//! # Shapes
//! x (maps, rows, columns, c_in), y (maps, rows, columns, c_out), channels last; weight (c_out, c_in, 3, 3) as PyTorch has it,
//! packed once into a [`Kernel`]; bias (c_out).
//!
//! `conv3x3_in_turns` runs kernels of one size, a [`Stack`], in one call: map i of x goes through kernel first + i modulo their
//! number. A device multiplies bf16 and adds up in f32: x is kept as bf16 there ([`Buffer::of_products`]), y may be.
//!
//! [`Buffer::of_products`]: crate::device::Buffer::of_products

pub mod backward;
mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Workspace;

use crate::device::cuda::{check_floats, check_half, check_queue};
use crate::device::{BufferView, BufferViewMut, Place, apart};
use crate::error::{Error, Result, check_len};
use crate::grid::Grid;
use crate::tile::{Panels, Precision};

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

    /// The same with taps that are multiplied in that precision, where the level has it.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { panels: self.panels.in_precision(precision), ..self }
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

/// Kernels of one size, each with its dilation, where they run.
#[derive(Debug)]
pub struct Stack {
    kernels: usize,
    c_in: usize,
    c_out: usize,
    on: On,
}

#[derive(Debug)]
enum On {
    Host(Vec<(Kernel, usize)>),
    Cuda(cuda::Weights),
}

impl Stack {
    /// Kernels that were packed on the host and their dilations, at a place.
    ///
    /// # Errors
    /// When there is none, they are of several sizes, or the device lacks the memory.
    pub fn new(place: &Place, kernels: Vec<(Kernel, usize)>) -> Result<Self> {
        let size = |kernel: &Kernel| [kernel.c_in(), kernel.c_out()];
        let [c_in, c_out] = kernels.first().map_or([0; 2], |(first, _)| size(first));
        if kernels.is_empty() || kernels.iter().any(|(kernel, _)| size(kernel) != [c_in, c_out]) {
            let found: Vec<[usize; 2]> = kernels.iter().map(|(kernel, _)| size(kernel)).collect();
            let expected = "kernels of one size".to_owned();
            return Err(Error::Shape { op: OP, expected, found: format!("{found:?}") });
        }
        let n = kernels.len();
        let on = match place {
            Place::Host => On::Host(kernels),
            Place::Cuda(_) => On::Cuda(cuda::Weights::new(place, &kernels)?),
        };
        Ok(Self { kernels: n, c_in, c_out, on })
    }

    /// The same kernels, packed on the host, at a place.
    ///
    /// # Errors
    /// When they live on a device already, or the device lacks the memory.
    pub fn at(&self, place: &Place) -> Result<Self> {
        match &self.on {
            On::Host(kernels) => Self::new(place, kernels.clone()),
            On::Cuda(_) => Err(apart(OP)),
        }
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
    check_maps(x.len(), grid, kernel.c_in)?;
    check_len(OP, "y", x.len() / kernel.c_in.max(1) * kernel.c_out(), y.len())?;
    cpu::conv3x3(x, grid, kernel, dilation, then, workspace, y);
    Ok(())
}

/// Convolves maps of `grid` by the kernels of a stack in turns, the first map by number `first` of them. `workspace` grows at
/// the first call of the host and is kept.
///
/// # Errors
/// When x is no whole maps, y has another size, or operands live apart.
pub fn conv3x3_in_turns<'a>(
    x: impl Into<BufferView<'a>>,
    grid: Grid,
    stack: &Stack,
    first: usize,
    then: Then,
    workspace: &mut Workspace,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    let Stack { kernels, c_in, c_out, ref on } = *stack;
    let (map_in, map_out) = (grid.cells() * c_in, grid.cells() * c_out);
    let maps = check_maps(x.len(), grid, c_in)?;
    check_len(OP, "y", maps * map_out, y.len())?;
    match (x, on, y) {
        (BufferView::Host(x), On::Host(all), BufferViewMut::Host(y)) => {
            for map in 0..maps {
                let (kernel, dilation) = &all[(first + map) % kernels];
                let (x, y) = (&x[map * map_in..][..map_in], &mut y[map * map_out..][..map_out]);
                cpu::conv3x3(x, grid, kernel, *dilation, then, workspace, y);
            }
            Ok(())
        }
        (BufferView::Cuda(x), On::Cuda(weights), BufferViewMut::Cuda(y)) => {
            let [taps, bias, dilations] = weights.slices()?;
            check_floats(OP, &y, &[&bias])?;
            check_queue(OP, &y, &[&x, &taps, &dilations])?;
            check_half(OP, "x", &x)?;
            cuda::conv3x3(x, grid, [taps, bias, dilations], [c_in, c_out], first, then, &y)
        }
        _ => Err(apart(OP)),
    }
}

/// Checks that elements are whole maps, and returns how many.
fn check_maps(len: usize, grid: Grid, c_in: usize) -> Result<usize> {
    let map = grid.cells() * c_in;
    let maps = len / map.max(1);
    if maps * map == len {
        return Ok(maps);
    }
    let expected = format!("whole maps of {grid} cells of {c_in} channels");
    Err(Error::Shape { op: OP, expected, found: format!("{len} elements") })
}
