//! A thread a value of y.

use std::sync::Arc;

use super::{Kernel, Then};
use crate::device::cuda::{self, Arg, Slice, SliceMut, kernel};
use crate::device::{Buffer, BufferView, Place};
use crate::error::Result;
use crate::same::Same;

const KERNEL: cuda::Kernel = kernel!("depthwise.ptx", "depthwise");

/// Taps (side * side, c) and bias (c) in the memory of a device.
#[derive(Debug, Clone)]
pub(super) struct Weights(Arc<[Buffer; 2]>);

impl Weights {
    pub(super) fn new(place: &Place, taps: &[f32], bias: &[f32]) -> Result<Self> {
        Ok(Self(Arc::new([Buffer::of(place, taps)?, Buffer::of(place, bias)?])))
    }

    /// Taps and bias; nothing where they live on the host.
    pub(super) fn slices(&self) -> Option<[Slice<'_>; 2]> {
        match [self.0[0].view(), self.0[1].view()] {
            [BufferView::Cuda(taps), BufferView::Cuda(bias)] => Some([taps, bias]),
            _ => None,
        }
    }
}

pub(super) fn depthwise(
    x: Slice<'_>,
    [height, width]: [usize; 2],
    kernel: &Kernel,
    [taps, bias]: [Slice<'_>; 2],
    y: &SliceMut<'_>,
) -> Result<()> {
    let (c, side, step) = (kernel.channels(), kernel.side, kernel.step);
    let (down, across) = (Same::new(height, side, step), Same::new(width, side, step));
    let maps = x.len() / (height * width * c);
    let (rows, columns) = (down.outputs, across.outputs);
    let sizes =
        [maps, height, width, c, side, step, rows, columns, down.before, across.before].map(Arg::size);
    let relu6 = Arg::Int(i32::from(kernel.then == Then::Relu6));
    let [a, b, s, d, e, f, g, h, i, j] = sizes;
    let arguments = [x.arg(), taps.arg(), bias.arg(), y.arg(), a, b, s, d, e, f, g, h, i, j, relu6];
    y.queue().launch_each(&KERNEL, y.len(), &arguments)
}
