//! A thread a value of y.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("mean3x3.ptx", "mean3x3");

pub(super) fn mean3x3(x: Slice<'_>, [height, width]: [usize; 2], c: usize, y: &SliceMut<'_>) -> Result<()> {
    let maps = x.len() / (height * width * c).max(1);
    let [maps, height, width, c] = [maps, height, width, c].map(Arg::size);
    y.queue().launch_each(&KERNEL, y.len(), &[x.arg(), y.arg(), maps, height, width, c])
}
