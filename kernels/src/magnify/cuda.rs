//! A thread a value.

use crate::device::cuda::{Arg, Kernel, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("magnify.ptx", "magnify");

pub(super) fn magnify(x: &SliceMut<'_>, d: usize, gain: f32) -> Result<()> {
    let [m, width] = [x.len() / d, d].map(Arg::size);
    x.queue().launch_each(&KERNEL, x.len(), &[x.arg(), m, width, Arg::Float(gain)])
}
