//! Depth-wise convolution of maps: each channel is filtered by its own `side` x `side` taps (an odd side), with zeros
//! around the map as TensorFlow's padding "SAME" has them: as many as the last window needs, half of them before the
//! map and half behind it, the odd one behind. With a step of 1 a map keeps its size, with 2 it has half of it.
//!
//! y\[r, q, c\] = then(bias\[c\] + sum over taps of x\[step r + i - above, step q + j - left, c\] w\[c, i, j\])
//!
//! # Shapes
//! x (maps, height, width, c), channels last; y the same with ceil(height / step) x ceil(width / step) cells; weight
//! (c, side, side) as PyTorch has it, packed once into a [`Kernel`]; bias (c).

mod backward;
mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use backward::depthwise_weight_gradient;
pub use cpu::Workspace;

use crate::device::cuda::check_floats;
use crate::device::{BufferView, BufferViewMut, Place, apart};
use crate::error::{Error, Result, check_len};

const OP: &str = "depthwise";

/// Channels of a block.
const LANES: usize = 16;

/// A block of channels of one place.
type Cell = [f32; LANES];

/// What happens to a sum on its way to y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Store,
    /// min(max(., 0), 6)
    Relu6,
}

/// Weights and bias, ready to run.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// (blocks of channels, side * side)
    taps: Vec<Cell>,
    bias: Vec<f32>,
    side: usize,
    step: usize,
    then: Then,
    /// Where it runs on a device.
    on_device: Option<cuda::Weights>,
}

impl Kernel {
    /// Packs a weight (c, side, side) with its bias (c).
    ///
    /// # Errors
    /// When the weight is not one square of odd side for each channel.
    pub fn new(weight: &[f32], bias: Vec<f32>) -> Result<Self> {
        Self::pack(weight, bias, |tap, _| tap)
    }

    /// The kernel whose output is the gradient of x when its input is the gradient of y: the same taps, turned by half
    /// a turn, and no bias.
    ///
    /// # Errors
    /// As [`Kernel::new`].
    pub fn of_input_gradient(weight: &[f32], channels: usize) -> Result<Self> {
        Self::pack(weight, vec![0.0; channels], |tap, taps| taps - 1 - tap)
    }

    fn pack(weight: &[f32], bias: Vec<f32>, source: impl Fn(usize, usize) -> usize) -> Result<Self> {
        let c = bias.len();
        let n_taps = weight.len() / c.max(1);
        let side = n_taps.isqrt();
        if side * side * c != weight.len() || side.is_multiple_of(2) {
            let expected = format!("{c} squares of an odd side");
            return Err(Error::Shape { op: OP, expected, found: format!("{} elements", weight.len()) });
        }
        let mut taps = vec![[0.0; LANES]; blocks(c) * n_taps];
        for (channel, weight) in weight.chunks_exact(n_taps.max(1)).enumerate() {
            for tap in 0..n_taps {
                taps[channel / LANES * n_taps + tap][channel % LANES] = weight[source(tap, n_taps)];
            }
        }
        Ok(Self { taps, bias, side, step: 1, then: Then::Store, on_device: None })
    }

    /// The same taps on every `step`-th cell of a row and every `step`-th row.
    ///
    /// # Errors
    /// When the step is 0.
    pub fn with_step(self, step: usize) -> Result<Self> {
        if step == 0 {
            let expected = "a step of at least 1".to_owned();
            return Err(Error::Shape { op: OP, expected, found: step.to_string() });
        }
        Ok(Self { step, ..self })
    }

    /// The same taps with what follows them.
    #[must_use]
    pub fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    /// The same taps, ready to run at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(mut self, place: &Place) -> Result<Self> {
        let (c, n_taps) = (self.channels(), self.side * self.side);
        let at = |tap: usize, channel: usize| self.taps[channel / LANES * n_taps + tap][channel % LANES];
        let taps: Vec<f32> = (0..n_taps * c).map(|i| at(i / c, i % c)).collect();
        self.on_device = match place {
            Place::Host => None,
            Place::Cuda(_) => Some(cuda::Weights::new(place, &taps, &self.bias)?),
        };
        Ok(self)
    }

    /// Channels of x and y.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Side of the square of taps.
    pub fn side(&self) -> usize {
        self.side
    }
}

/// Filters maps of `height` x `width` cells. `workspace` grows at the first call and is kept.
///
/// # Errors
/// When x is no whole maps or y has another size, or operands live apart.
pub fn depthwise<'a>(
    x: impl Into<BufferView<'a>>,
    height: usize,
    width: usize,
    kernel: &'a Kernel,
    workspace: &mut Workspace,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, y) = (x.into(), y.into());
    let c = kernel.channels();
    check_maps(x.len(), height, width, c)?;
    let maps = x.len() / (height * width * c).max(1);
    let outputs = height.div_ceil(kernel.step) * width.div_ceil(kernel.step) * c;
    check_len(OP, "y", maps * outputs, y.len())?;
    match (x, kernel.on_device.as_ref().and_then(cuda::Weights::slices), y) {
        (BufferView::Host(x), None, BufferViewMut::Host(y)) => {
            cpu::depthwise(x, height, width, kernel, workspace, y);
            Ok(())
        }
        (BufferView::Cuda(x), Some(weights), BufferViewMut::Cuda(y)) => {
            check_floats(OP, &y, &[&x, &weights[0], &weights[1], y.as_slice()])?;
            cuda::depthwise(x, [height, width], kernel, weights, &y)
        }
        _ => Err(apart(OP)),
    }
}

fn check_maps(len: usize, height: usize, width: usize, c: usize) -> Result<()> {
    let map = height * width * c;
    if len / map.max(1) * map == len {
        return Ok(());
    }
    let expected = format!("whole maps of {height} x {width} cells of {c} channels");
    Err(Error::Shape { op: OP, expected, found: format!("{len} elements") })
}

/// Blocks of channels.
fn blocks(c: usize) -> usize {
    c.div_ceil(LANES)
}
