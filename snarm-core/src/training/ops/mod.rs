//! Operations of candle's graph whose bodies are the project's kernels, forwards and backwards.
//!
//! On the CPU candle's own ones are not used: its fused norms have no gradient at all and say nothing of it, its
//! convolution's gradient is slow there, its convolution by groups walks the channels one at a time, and a chain of
//! element-wise ops is memory traffic. On another device, which the kernels do not know, each op is a composition of
//! candle's differentiable ones (`composed`); `on_kernels` is the one place that chooses. All tensors are f32; rows
//! are tokens, channels last.

mod causal_conv;
mod composed;
mod conv3x3;
mod depthwise;
mod dropout;
mod focal;
mod gelu;
mod linear;
mod logits;
mod norm;
mod projection;
mod rows;
mod scan;
mod softmax;

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, StorageRef, Tensor, bail};
use snarm_kernels::device::BufferView;

pub use self::causal_conv::causal_conv;
pub use self::conv3x3::{Maps, conv3x3};
pub use self::depthwise::depthwise;
pub use self::dropout::dropout;
pub use self::focal::{Target, focal};
pub use self::gelu::gelu;
pub use self::linear::linear;
pub use self::logits::projected_logits;
pub use self::norm::{layer_norm, rms_norm};
pub use self::projection::Projection;
pub use self::rows::{replace, take};
pub use self::scan::{Scanned, selective_scan};
pub use self::softmax::softmax;

/// Whether the kernels run an op on this tensor.
fn on_kernels(x: &Tensor) -> bool {
    #[cfg(test)]
    if super::testing::COMPOSED.get() {
        return false;
    }
    x.device().is_cpu()
}

/// The elements of a tensor, as they lie.
struct Values<'a> {
    storage: StorageRef<'a>,
    range: Range<usize>,
}

impl<'a> Values<'a> {
    fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let range = contiguous(layout)?;
        match &*storage {
            Storage::Cpu(CpuStorage::F32(_)) => Ok(Self { storage, range }),
            _ => bail!("expected f32 on the CPU, found {:?} on {:?}", tensor.dtype(), tensor.device()),
        }
    }
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.clone()],
            // `of` lets nothing else in.
            _ => &[],
        }
    }
}

impl<'a> From<&'a Values<'_>> for BufferView<'a> {
    fn from(values: &'a Values<'_>) -> Self {
        Self::Host(values)
    }
}

/// The elements of an argument of a custom op.
fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match storage {
        CpuStorage::F32(values) => Ok(&values[contiguous(layout)?]),
        _ => bail!("expected f32"),
    }
}

fn contiguous(layout: &Layout) -> Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("expected rows that lie one after another, found strides {:?}", layout.stride()),
    }
}

/// What a custom op returns.
fn made(values: Vec<f32>, shape: impl Into<Shape>) -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(values), shape.into()))
}

/// A gradient of the shape of what it belongs to.
fn gradient(values: Vec<f32>, of: &Tensor) -> Result<Option<Tensor>> {
    Tensor::from_vec(values, of.shape(), &Device::Cpu).map(Some)
}

/// A kernel's refusal in candle's words.
fn refused(error: snarm_kernels::Error) -> candle_core::Error {
    candle_core::Error::wrap(error)
}

/// Size of the last dimension.
fn width(tensor: &Tensor) -> usize {
    tensor.dims().last().copied().unwrap_or(1)
}

#[cfg(test)]
mod tests;
