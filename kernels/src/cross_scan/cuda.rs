//! Eight channels of a sequence of a direction a block, its threads side by side along the cells; sweeps one after the other.

use std::sync::Arc;

use super::{OP, Sweep};
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, check_queue, kernel};
use crate::device::{Buffer, BufferView, Place, apart};
use crate::error::{Error, Result};

const SCAN: Kernel = kernel!("cross_scan.ptx", "cross_scan");
const SUM: Kernel = kernel!("cross_scan.ptx", "cross_scan_sum");

/// The most states, channels of a block and chunks of its sequence, as in the kernel.
const STATES: usize = 16;
const CHANNELS: usize = 8;
const CHUNKS: usize = 64;

/// What the directions have learned in the memory of a device: A log2(e) (directions, n, d), the weight of the step
/// (directions, r, d), its bias and D, both (directions, d).
#[derive(Debug, Clone)]
pub(super) struct Weights(Arc<[Buffer; 4]>);

impl Weights {
    /// Copies parameters of `states` states, in the order of the fields.
    pub(super) fn new(place: &Place, states: usize, parameters: [Vec<f32>; 4]) -> Result<Self> {
        if states > STATES {
            let expected = format!("at most {STATES} states on a device");
            return Err(Error::Shape { op: OP, expected, found: states.to_string() });
        }
        let [a, step, bias, skip] = parameters.each_ref().map(|values| Buffer::of(place, values));
        Ok(Self(Arc::new([a?, step?, bias?, skip?])))
    }

    /// All four; nothing where they live on the host.
    pub(super) fn slices(&self) -> Option<[Slice<'_>; 4]> {
        match self.0.each_ref().map(Buffer::view) {
            [BufferView::Cuda(a), BufferView::Cuda(step), BufferView::Cuda(bias), BufferView::Cuda(skip)] => {
                Some([a, step, bias, skip])
            }
            _ => None,
        }
    }
}

/// The orders of a sweep in the memory of a device, (directions, cells).
#[derive(Debug, Clone)]
pub(super) struct Orders(Arc<Buffer<u32>>);

impl Orders {
    pub(super) fn new(place: &Place, orders: &[u32]) -> Result<Self> {
        Ok(Self(Arc::new(Buffer::of(place, orders)?)))
    }

    /// The orders; nothing where they live on the host.
    pub(super) fn slice(&self) -> Option<Slice<'_>> {
        match self.0.view() {
            BufferView::Cuda(orders) => Some(orders),
            BufferView::Host(_) => None,
        }
    }
}

/// Room for what the directions of all sweeps make of a map, `len` elements.
pub(super) fn room(parts: &mut Buffer, place: Place, len: usize) -> Result<()> {
    if parts.place() != place {
        *parts = Buffer::new(&place, 0)?;
    }
    parts.resize(len)
}

pub(super) fn cross_scan(
    [u, rows]: [Slice<'_>; 2],
    [count, d, states, rank]: [usize; 4],
    [a, step, bias, skip]: [Slice<'_>; 4],
    sweeps: &[Sweep],
    parts: Slice<'_>,
    y: &SliceMut<'_>,
) -> Result<()> {
    let (cells, own) = (y.len() / d, count * y.len());
    let shared = 2 * CHUNKS * CHANNELS * STATES * size_of::<f32>();
    let [all_cells, channels, n, r] = [cells, d, states, rank].map(Arg::size);
    for (number, sweep) in sweeps.iter().enumerate() {
        let orders = sweep.on_device.as_ref().and_then(Orders::slice);
        let part = parts.part(number * own, own, size_of::<f32>());
        let (Some(orders), Some(part)) = (orders, part) else { return Err(apart(OP)) };
        check_queue(OP, y, &[&orders])?;
        let (u, rows, orders, part) = (u.arg(), rows.arg(), orders.arg(), part.arg());
        let [a, step, bias, skip] = [a.arg(), step.arg(), bias.arg(), skip.arg()];
        let len = Arg::size(sweep.len);
        let arguments = [u, rows, orders, a, step, bias, skip, part, all_cells, len, channels, n, r];
        let grid = [d.div_ceil(CHANNELS), count, cells / sweep.len];
        y.queue().launch(&SCAN, grid, CHANNELS * CHUNKS, shared, &arguments)?;
    }
    let n = sweeps.len();
    let [elements, ways] = [y.len(), n * count].map(Arg::size);
    let arguments = [parts.arg(), y.arg(), elements, ways, Arg::Float(1.0 / n as f32)];
    y.queue().launch_each(&SUM, y.len(), &arguments)
}
