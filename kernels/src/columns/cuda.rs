//! A thread a value of x.

use super::Place;
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("columns.ptx", "columns");

pub(super) fn columns(x: Slice<'_>, c: usize, scale: f32, place: Place, y: &SliceMut<'_>) -> Result<()> {
    let [n, c, width, first] = [x.len() / c.max(1), c, place.width, place.first].map(Arg::size);
    let half = Arg::Int(i32::from(y.is_half()));
    let arguments = [x.arg(), y.arg(), n, c, width, first, Arg::Float(scale), half];
    y.queue().launch_each(&KERNEL, x.len(), &arguments)
}
