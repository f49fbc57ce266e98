//! Channels of two layer groups pooled to one descriptor: two adaptive average poolings in a row, as PatchCore and
//! SNARM do it. Each group goes from d channels to 1024, the two are stacked to 2048, and those go to `out`.
//!
//! Adaptive pooling of n to m averages the inputs floor(i*n/m) .. ceil((i+1)*n/m) - 1 into output i. Both steps are
//! linear and act on each position alone, so they are one sparse matrix, and they commute with the bilinear
//! upsampling that follows.
//!
//! # Shapes
//! a, b (m, d) row-major; y (m, out).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::cuda::{check_floats, check_queue};
use crate::device::{BufferView, BufferViewMut, Place, apart};
use crate::error::{Result, check_len};

const OP: &str = "channel_pool";

/// Channels of each group between the two poolings.
const MIDDLE: usize = 1024;

/// The sparse matrix of both poolings.
#[derive(Debug, Clone)]
pub struct ChannelPool {
    d: usize,
    /// For each output: first input channel, counted over both groups, and its weights in `weights`.
    taps: Vec<(usize, std::ops::Range<usize>)>,
    weights: Vec<f32>,
    /// Where it runs on a device.
    on_device: Option<cuda::Matrix>,
}

impl ChannelPool {
    /// The pooling from two groups of `d` channels to `out` channels.
    pub fn new(d: usize, out: usize) -> Self {
        let mut taps = Vec::with_capacity(out);
        let mut weights = Vec::new();
        for i in 0..out {
            let mut row = vec![0.0_f64; 2 * d];
            let middle = window(i, 2 * MIDDLE, out);
            for j in middle.clone() {
                let group = j / MIDDLE;
                let inputs = window(j % MIDDLE, d, MIDDLE);
                for c in inputs.clone() {
                    row[group * d + c] += 1.0 / (inputs.len() * middle.len()) as f64;
                }
            }
            let first = row.iter().position(|w| *w > 0.0).unwrap_or(0);
            let end = row.iter().rposition(|w| *w > 0.0).map_or(first, |last| last + 1);
            let start = weights.len();
            weights.extend(row[first..end].iter().map(|w| *w as f32));
            taps.push((first, start..weights.len()));
        }
        Self { d, taps, weights, on_device: None }
    }

    /// The same pooling, ready to run at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(&self, place: &Place) -> Result<Self> {
        let on_device = match place {
            Place::Host => None,
            Place::Cuda(_) => Some(cuda::Matrix::new(place, self)?),
        };
        Ok(Self { on_device, ..self.clone() })
    }

    /// Channels of the descriptor.
    pub fn out(&self) -> usize {
        self.taps.len()
    }

    /// Pools each row of `a` and `b` into `y`.
    ///
    /// # Errors
    /// When a length does not fit, or operands live apart.
    pub fn run<'a>(
        &'a self,
        a: impl Into<BufferView<'a>>,
        b: impl Into<BufferView<'a>>,
        y: impl Into<BufferViewMut<'a>>,
    ) -> Result<()> {
        let (a, b, y) = (a.into(), b.into(), y.into());
        let m = a.len() / self.d.max(1);
        check_len(OP, "a", m * self.d, a.len())?;
        check_len(OP, "b", a.len(), b.len())?;
        check_len(OP, "y", m * self.out(), y.len())?;
        match (a, b, self.on_device.as_ref().and_then(cuda::Matrix::slices), y) {
            (BufferView::Host(a), BufferView::Host(b), None, BufferViewMut::Host(y)) => {
                cpu::channel_pool(self, a, b, y);
                Ok(())
            }
            (BufferView::Cuda(a), BufferView::Cuda(b), Some(matrix), BufferViewMut::Cuda(y)) => {
                check_floats(OP, &y, &[&a, &b, &matrix[1], y.as_slice()])?;
                check_queue(OP, &y, &[&matrix[0]])?;
                cuda::channel_pool(a, b, self.d, matrix, &y)
            }
            _ => Err(apart(OP)),
        }
    }
}

/// Inputs of output `i` of an adaptive average pooling from n to m.
fn window(i: usize, n: usize, m: usize) -> std::ops::Range<usize> {
    i * n / m..((i + 1) * n).div_ceil(m)
}
