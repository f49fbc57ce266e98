//! A warp a position of an order, which writes it for all maps of that order.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const KERNEL: Kernel = kernel!("mark.ptx", "mark");

pub(super) fn mark(
    parts: Slice<'_>,
    orders: Slice<'_>,
    [each, marked]: [usize; 2],
    rows: &SliceMut<'_>,
    places: &SliceMut<'_>,
) -> Result<()> {
    let [n, positions, each, marked] = [parts.len(), orders.len(), each, marked].map(Arg::size);
    let arguments = [parts.arg(), orders.arg(), rows.arg(), places.arg(), n, positions, each, marked];
    places.queue().launch_each(&KERNEL, 32 * orders.len(), &arguments)
}
