//! A thread a value of y.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("causal_conv.ptx", "causal_conv");

pub(super) fn causal_conv(
    x: Slice<'_>,
    [len, d]: [usize; 2],
    w: Slice<'_>,
    bias: Slice<'_>,
    y: &SliceMut<'_>,
) -> Result<()> {
    let sequences = x.len() / (len * d).max(1);
    let [sequences, len, width, layers] = [sequences, len, d, bias.len() / d.max(1)].map(Arg::size);
    let half = Arg::Int(i32::from(y.is_half()));
    let arguments = [x.arg(), w.arg(), bias.arg(), y.arg(), sequences, len, width, layers, half];
    y.queue().launch_each(&KERNEL, y.len(), &arguments)
}
