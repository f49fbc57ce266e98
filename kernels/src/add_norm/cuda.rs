//! A warp a row.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("add_norm.ptx", "add_norm");

/// Rows of a block, as in the kernel.
const ROWS: usize = 8;

pub(super) fn add_norm(
    h: Option<Slice<'_>>,
    u: &SliceMut<'_>,
    [len, d]: [usize; 2],
    weight: Slice<'_>,
    bias: Option<Slice<'_>>,
    eps: f32,
    y: &SliceMut<'_>,
) -> Result<()> {
    let m = u.len() / d.max(1);
    if m == 0 {
        return Ok(());
    }
    let [h, bias] = [h, bias].map(|slice| slice.map_or(Arg::Address(0), |slice| slice.arg()));
    let [rows, width, len, layers] = [m, d, len, weight.len() / d].map(Arg::size);
    let (eps, half) = (Arg::Float(eps), Arg::Int(i32::from(y.is_half())));
    let arguments = [h, u.arg(), weight.arg(), bias, y.arg(), rows, width, len, layers, eps, half];
    y.queue().launch(&KERNEL, [m.div_ceil(ROWS), 1, 1], 32 * ROWS, ROWS * d * size_of::<f32>(), &arguments)
}
