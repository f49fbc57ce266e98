//! A warp a row.

use crate::device::cuda::{Arg, Kernel, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("unit_rows.ptx", "unit_rows");

/// Rows of a block, as in the kernel.
const ROWS: usize = 8;

pub(super) fn unit_rows(x: &SliceMut<'_>, d: usize) -> Result<()> {
    let m = x.len() / d;
    if m == 0 {
        return Ok(());
    }
    let arguments = [x.arg(), Arg::size(m), Arg::size(d)];
    x.queue().launch(&KERNEL, [m.div_ceil(ROWS), 1, 1], 32 * ROWS, 0, &arguments)
}
