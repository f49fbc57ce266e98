//! Two passes, the first into a map beside.

use crate::device::cuda::{Arg, Kernel, SliceMut, check_floats, kernel};
use crate::device::{Buffer, BufferView, BufferViewMut, Place, apart};
use crate::error::Result;

const KERNEL: Kernel = kernel!("blur.ptx", "blur");

/// What a blur keeps in the memory of a device.
#[derive(Debug)]
pub(super) struct There {
    taps: Buffer,
    down: Buffer,
}

impl There {
    pub(super) fn new(place: &Place, taps: &[f32], len: usize) -> Result<Self> {
        Ok(Self { taps: Buffer::of(place, taps)?, down: Buffer::new(place, len)? })
    }

    pub(super) fn run(&mut self, x: &SliceMut<'_>, h: usize, w: usize) -> Result<()> {
        let (BufferView::Cuda(taps), BufferViewMut::Cuda(down)) = (self.taps.view(), self.down.view_mut())
        else {
            return Err(apart("blur"));
        };
        check_floats("blur", x, &[x.as_slice(), &taps, down.as_slice()])?;
        let [height, width, radius] = [h, w, taps.len() - 1].map(Arg::size);
        let pass = |from: Arg, to: Arg, is_down: i32| {
            let arguments = [from, to, taps.arg(), height, width, radius, Arg::Int(is_down)];
            x.queue().launch_each(&KERNEL, h * w, &arguments)
        };
        pass(x.arg(), down.arg(), 1)?;
        pass(down.arg(), x.arg(), 0)
    }
}
