//! A warp a row.

use super::EPS;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("cosine_distance.ptx", "cosine_distance");

/// Rows of a block, as in the kernel.
const ROWS: usize = 8;

pub(super) fn cosine_distance(a: Slice<'_>, b: Slice<'_>, c: usize, y: &SliceMut<'_>) -> Result<()> {
    let n = y.len();
    if n == 0 {
        return Ok(());
    }
    let arguments = [a.arg(), b.arg(), y.arg(), Arg::size(n), Arg::size(c), Arg::Float(EPS)];
    y.queue().launch(&KERNEL, [n.div_ceil(ROWS), 1, 1], 32 * ROWS, 0, &arguments)
}
