//! A thread a value.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const RELU: Kernel = kernel!("relu.ptx", "relu");
const ADD_RELU: Kernel = kernel!("relu.ptx", "add_relu");

pub(super) fn relu(y: &SliceMut<'_>) -> Result<()> {
    let half = Arg::Int(i32::from(y.is_half()));
    y.queue().launch_each(&RELU, y.len(), &[y.arg(), Arg::size(y.len()), half])
}

pub(super) fn add_relu(x: Slice<'_>, y: &SliceMut<'_>) -> Result<()> {
    y.queue().launch_each(&ADD_RELU, y.len(), &[x.arg(), y.arg(), Arg::size(y.len())])
}
