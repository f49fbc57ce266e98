//! A warp a row.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("row_dot.ptx", "row_dot");

pub(super) fn row_dot(x: Slice<'_>, w: Slice<'_>, bias: f32, y: &SliceMut<'_>) -> Result<()> {
    let [m, d] = [y.len(), w.len()].map(Arg::size);
    y.queue().launch_each(&KERNEL, 32 * y.len(), &[x.arg(), w.arg(), Arg::Float(bias), y.arg(), m, d])
}
