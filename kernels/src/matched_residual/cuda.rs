//! A thread a value.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("matched_residual.ptx", "matched_residual");

pub(super) fn matched_residual(
    x: Slice<'_>,
    d: usize,
    rows: Slice<'_>,
    matches: Slice<'_>,
    k: usize,
    r: &SliceMut<'_>,
) -> Result<()> {
    let [m, d, t, k] = [x.len() / d, d, rows.len() / d, k].map(Arg::size);
    let arguments = [x.arg(), rows.arg(), matches.arg(), r.arg(), m, d, t, k];
    r.queue().launch_each(&KERNEL, x.len(), &arguments)
}
