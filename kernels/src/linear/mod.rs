//! Linear layer: y = x W^T + b, with what usually follows it fused in.
//!
//! # Shapes
//! x (m, k) row-major, W (n, k) packed once into [`Panels`], or into a [`Weight`] of any place, b (n), y (m, n) row-major.
//!
//! A device multiplies bf16 and adds up in f32: x is kept as bf16 there ([`Buffer::of_products`]), y may be.
//!
//! `linear_in_turns` runs layers of one size, a [`Stack`], in one call: block i of x goes through layer i modulo their number.

mod backward;
pub(crate) mod cpu;
pub(crate) mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use self::backward::{bias_gradient, input_gradient};
pub use crate::tile::Panels;

use crate::device::cuda::{Slice, SliceMut, check_floats, check_half, check_queue};
use crate::device::{Buffer, BufferView, BufferViewMut, Place, apart};
use crate::error::{Error, Result, check_len};

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

/// W where the layer runs.
#[derive(Debug)]
pub enum Weight {
    /// Packed for the host's level.
    Host(Panels),
    /// On a device.
    Cuda(Matrix),
}

/// W in the memory of a device, as bf16.
#[derive(Debug)]
pub struct Matrix {
    values: Buffer,
    n: usize,
    k: usize,
}

impl Weight {
    /// Packs `n` rows of `k` elements for a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    ///
    /// # Panics
    /// When there is another number of elements.
    pub fn new(place: &Place, rows: &[f32], n: usize, k: usize) -> Result<Self> {
        match place {
            Place::Host => Ok(Self::Host(Panels::from_transposed(rows, n, k))),
            Place::Cuda(_) => {
                assert_eq!(rows.len(), n * k, "{n} rows of {k} elements");
                let mut values = Buffer::of_products(place, n * k)?;
                values.write(rows)?;
                Ok(Self::Cuda(Matrix { values, n, k }))
            }
        }
    }
}

impl Weight {
    /// The same weight, packed on the host, at a place.
    ///
    /// # Errors
    /// When it lives on a device already, or the device lacks the memory.
    pub fn at(&self, place: &Place) -> Result<Self> {
        match self {
            Self::Host(panels) => Self::new(place, &panels.to_transposed(), panels.n(), panels.k()),
            Self::Cuda(_) => Err(apart("linear")),
        }
    }
}

/// W of layers of one size where they run.
#[derive(Debug)]
pub struct Stack {
    layers: usize,
    n: usize,
    k: usize,
    on: On,
}

#[derive(Debug)]
enum On {
    Host(Vec<Panels>),
    /// (layers, n, k) as bf16.
    Cuda(Buffer),
}

impl Stack {
    /// Layers that were packed on the host, at a place.
    ///
    /// # Errors
    /// When there is none, they are of several sizes, or the device lacks the memory.
    pub fn new(place: &Place, layers: &[&Panels]) -> Result<Self> {
        let [n, k] = layers.first().map_or([0; 2], |first| [first.n(), first.k()]);
        if layers.is_empty() || layers.iter().any(|layer| [layer.n(), layer.k()] != [n, k]) {
            let found: Vec<[usize; 2]> = layers.iter().map(|layer| [layer.n(), layer.k()]).collect();
            let expected = "layers of one size".to_owned();
            return Err(Error::Shape { op: "linear", expected, found: format!("{found:?}") });
        }
        let on = match place {
            Place::Host => On::Host(layers.iter().map(|layer| (*layer).clone()).collect()),
            Place::Cuda(_) => {
                let rows: Vec<f32> = layers.iter().flat_map(|layer| layer.to_transposed()).collect();
                let mut values = Buffer::of_products(place, rows.len())?;
                values.write(&rows)?;
                On::Cuda(values)
            }
        };
        Ok(Self { layers: layers.len(), n, k, on })
    }
}

/// W, to be read.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// Packed for a level of the CPU.
    Host(&'a Panels),
    /// On a device.
    Cuda(&'a Matrix),
}

impl<'a> From<&'a Panels> for Weights<'a> {
    fn from(panels: &'a Panels) -> Self {
        Self::Host(panels)
    }
}

impl<'a> From<&'a Weight> for Weights<'a> {
    fn from(weight: &'a Weight) -> Self {
        match weight {
            Weight::Host(panels) => Self::Host(panels),
            Weight::Cuda(matrix) => Self::Cuda(matrix),
        }
    }
}

/// Runs the layer on `x` and writes (or adds to) `y`. Rows are shared among the threads of the pool.
///
/// # Errors
/// When a length does not fit `w`, or operands live apart.
pub fn linear<'a>(
    x: impl Into<BufferView<'a>>,
    w: impl Into<Weights<'a>>,
    bias: impl Into<BufferView<'a>>,
    then: Then,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, w, bias, y) = (x.into(), w.into(), bias.into(), y.into());
    let (n, k) = match w {
        Weights::Host(panels) => (panels.n(), panels.k()),
        Weights::Cuda(matrix) => (matrix.n, matrix.k),
    };
    let m = x.len() / k.max(1);
    check_len("linear", "x", m * k, x.len())?;
    check_len("linear", "bias", n, bias.len())?;
    check_len("linear", "y", m * n, y.len())?;
    match (x, w, bias, y) {
        (BufferView::Host(x), Weights::Host(w), BufferView::Host(bias), BufferViewMut::Host(y)) => {
            cpu::linear(x, w, bias, then, y);
            Ok(())
        }
        (BufferView::Cuda(x), Weights::Cuda(w), BufferView::Cuda(bias), BufferViewMut::Cuda(y)) => {
            let w = w.values.view().there("linear")?;
            check_there(x, w, bias, &y)?;
            cuda::linear(x, w, bias, [1, m, n, k], then, &y)
        }
        _ => Err(apart("linear")),
    }
}

/// Runs the layers of a stack on blocks of `len` rows of `x` in turns, each with its row of `bias` (layers, n).
///
/// # Errors
/// When x is no whole blocks, a length does not fit the stack, or operands live apart.
pub fn linear_in_turns<'a>(
    x: impl Into<BufferView<'a>>,
    len: usize,
    stack: &Stack,
    bias: impl Into<BufferView<'a>>,
    then: Then,
    y: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (x, bias, y) = (x.into(), bias.into(), y.into());
    let Stack { layers, n, k, ref on } = *stack;
    let blocks = x.len() / (len * k).max(1);
    check_len("linear", "x", blocks * len * k, x.len())?;
    check_len("linear", "bias", layers * n, bias.len())?;
    check_len("linear", "y", blocks * len * n, y.len())?;
    match (x, on, bias, y) {
        (BufferView::Host(x), On::Host(panels), BufferView::Host(bias), BufferViewMut::Host(y)) => {
            for block in 0..blocks {
                let (x, y) = (&x[block * len * k..][..len * k], &mut y[block * len * n..][..len * n]);
                let layer = block % layers;
                cpu::linear(x, &panels[layer], &bias[layer * n..][..n], then, y);
            }
            Ok(())
        }
        (BufferView::Cuda(x), On::Cuda(values), BufferView::Cuda(bias), BufferViewMut::Cuda(y)) => {
            let w = values.view().there("linear")?;
            check_there(x, w, bias, &y)?;
            cuda::linear(x, w, bias, [blocks, len, n, k], then, &y)
        }
        _ => Err(apart("linear")),
    }
}

/// Checks where operands live, and that x is what a device multiplies.
fn check_there(x: Slice<'_>, w: Slice<'_>, bias: Slice<'_>, y: &SliceMut<'_>) -> Result<()> {
    check_floats("linear", y, &[&bias])?;
    check_queue("linear", y, &[&x, &w])?;
    check_half("linear", "x", &x)
}
