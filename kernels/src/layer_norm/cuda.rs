//! A warp a row.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("layer_norm.ptx", "layer_norm");

/// Rows of a block, as in the kernel.
const ROWS: usize = 8;

pub(super) fn layer_norm(
    x: Slice<'_>,
    weight: Slice<'_>,
    bias: Slice<'_>,
    eps: f32,
    y: &SliceMut<'_>,
) -> Result<()> {
    let d = weight.len();
    let m = x.len() / d.max(1);
    if m == 0 {
        return Ok(());
    }
    let (sizes, half) = ([Arg::size(m), Arg::size(d)], Arg::Int(i32::from(y.is_half())));
    let arguments = [x.arg(), weight.arg(), bias.arg(), y.arg(), sizes[0], sizes[1], Arg::Float(eps), half];
    y.queue().launch(&KERNEL, [m.div_ceil(ROWS), 1, 1], 32 * ROWS, ROWS * d * size_of::<f32>(), &arguments)
}
