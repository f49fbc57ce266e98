//! Two launches that nobody waits for: the part of each place, then the list of the lower one.

use super::count_of_low;
use crate::device::cuda::{Arg, Kernel, SliceMut, check_floats, kernel};
use crate::device::{Buffer, BufferView, BufferViewMut, Element, Place, apart};
use crate::error::{Result, check_len};

const PARTS: Kernel = kernel!("split.ptx", "split_parts");
const LOW: Kernel = kernel!("split.ptx", "split_low");

const OP: &str = "split";

/// The two parts in the memory of a device.
#[derive(Debug)]
pub struct SplitThere {
    left_out: Vec<bool>,
    flags: Buffer<u8>,
    parts: Buffer<u32>,
    low: Buffer<u32>,
    high: usize,
}

impl SplitThere {
    /// For values at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn new(place: &Place) -> Result<Self> {
        let (flags, parts, low) = (Buffer::new(place, 0)?, Buffer::new(place, 0)?, Buffer::new(place, 0)?);
        Ok(Self { left_out: Vec::new(), flags, parts, low, high: 0 })
    }

    /// As [`super::Split::run`]. Flags are copied to the device when they are others than before.
    ///
    /// # Errors
    /// When there are flags, but not one for each value, or values live elsewhere.
    pub fn run(&mut self, values: &Buffer, left_out: &[bool], fraction: f64) -> Result<()> {
        let n = values.len();
        if !left_out.is_empty() {
            check_len(OP, "left out", n, left_out.len())?;
        }
        if self.left_out != left_out {
            self.left_out = left_out.to_vec();
            self.flags.resize(left_out.len())?;
            self.flags.write(&left_out.iter().map(|flag| u8::from(*flag)).collect::<Vec<u8>>())?;
        }
        let places = n - left_out.iter().filter(|flag| **flag).count();
        let count = count_of_low(places, fraction);
        self.high = places - count;
        self.parts.resize(n)?;
        self.low.resize(count)?;
        let (BufferView::Cuda(values), BufferView::Cuda(flags)) = (values.view(), self.flags.view()) else {
            return Err(apart(OP));
        };
        let (parts, low) = (device(self.parts.view_mut())?, device(self.low.view_mut())?);
        check_floats(OP, &parts, &[&values, &flags, low.as_slice()])?;
        let flags = if left_out.is_empty() { Arg::Address(0) } else { flags.arg() };
        let sizes = [n, count].map(Arg::size);
        parts.queue().launch_each(&PARTS, 32 * n, &[values.arg(), flags, parts.arg(), sizes[0], sizes[1]])?;
        parts.queue().launch_each(&LOW, 32 * n, &[parts.arg(), low.arg(), sizes[0], sizes[1]])
    }

    /// Places of the lowest values, ascending.
    pub fn low(&self) -> &Buffer<u32> {
        &self.low
    }

    /// The part of each place.
    pub fn parts(&self) -> &Buffer<u32> {
        &self.parts
    }

    /// Number of the other places.
    pub fn high(&self) -> usize {
        self.high
    }
}

fn device<T: Element>(view: BufferViewMut<'_, T>) -> Result<SliceMut<'_>> {
    match view {
        BufferViewMut::Cuda(slice) => Ok(slice),
        BufferViewMut::Host(_) => Err(apart(OP)),
    }
}
