//! A thread a value of y.

use super::Window;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;
use crate::same::Same;

const KERNEL: Kernel = kernel!("unfold.ptx", "unfold");

pub(super) fn unfold(
    x: Slice<'_>,
    [height, width]: [usize; 2],
    Window { side, step }: Window,
    y: &SliceMut<'_>,
) -> Result<()> {
    let (down, across) = (Same::new(height, side, step), Same::new(width, side, step));
    let planes = x.len() / (height * width);
    let sizes = [planes, height, width, side, step, down.outputs, across.outputs, down.before, across.before];
    let [a, b, c, d, e, f, g, h, i] = sizes.map(Arg::size);
    let half = Arg::Int(i32::from(y.is_half()));
    y.queue().launch_each(&KERNEL, y.len(), &[x.arg(), y.arg(), a, b, c, d, e, f, g, h, i, half])
}
