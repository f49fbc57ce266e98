//! A thread a value of y.

use std::sync::Arc;

use super::ChannelPool;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::device::{Buffer, BufferView, Place};
use crate::error::Result;

const KERNEL: Kernel = kernel!("channel_pool.ptx", "channel_pool");

/// The matrix in the memory of a device: of each output the first channel, the first weight and their number (out, 3), and all
/// weights.
#[derive(Debug, Clone)]
pub(super) struct Matrix(Arc<(Buffer<u32>, Buffer)>);

impl Matrix {
    pub(super) fn new(place: &Place, pool: &ChannelPool) -> Result<Self> {
        let numbers = |(first, own): &(usize, std::ops::Range<usize>)| [*first, own.start, own.len()];
        let taps: Vec<u32> = pool.taps.iter().flat_map(numbers).map(|n| n as u32).collect();
        Ok(Self(Arc::new((Buffer::of(place, &taps)?, Buffer::of(place, &pool.weights)?))))
    }

    /// Numbers and weights.
    pub(super) fn slices(&self) -> Option<[Slice<'_>; 2]> {
        match (self.0.0.view(), self.0.1.view()) {
            (BufferView::Cuda(taps), BufferView::Cuda(weights)) => Some([taps, weights]),
            _ => None,
        }
    }
}

pub(super) fn channel_pool(
    a: Slice<'_>,
    b: Slice<'_>,
    d: usize,
    [taps, weights]: [Slice<'_>; 2],
    y: &SliceMut<'_>,
) -> Result<()> {
    let out = taps.len() / 3;
    let sizes = [a.len() / d.max(1), d, out].map(Arg::size);
    let arguments = [a.arg(), b.arg(), taps.arg(), weights.arg(), y.arg(), sizes[0], sizes[1], sizes[2]];
    y.queue().launch_each(&KERNEL, y.len(), &arguments)
}
