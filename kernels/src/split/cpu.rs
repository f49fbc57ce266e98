//! One sort. Lists keep their memory.

use super::count_of_low;
use crate::device::BufferView;
use crate::error::{Result, check_len};

const OP: &str = "split";

/// The two parts, and what is kept between calls.
#[derive(Debug, Default)]
pub struct Split {
    order: Vec<u32>,
    low: Vec<u32>,
    high: Vec<u32>,
}

impl Split {
    /// Splits the places whose flag in `left_out` (empty: all places) is not set. The lower part is `fraction` of them, the
    /// number rounded, half to even.
    ///
    /// # Errors
    /// When there are flags, but not one for each value, or an operand lives on a device.
    pub fn run<'a>(
        &mut self,
        values: impl Into<BufferView<'a>>,
        left_out: &[bool],
        fraction: f64,
    ) -> Result<()> {
        let values = values.into().host(OP)?;
        if !left_out.is_empty() {
            check_len(OP, "left out", values.len(), left_out.len())?;
        }
        let Self { order, low, high } = self;
        let is_in = |place: &u32| !left_out.get(*place as usize).copied().unwrap_or(false);
        order.clear();
        order.extend((0..values.len() as u32).filter(is_in));
        let count = count_of_low(order.len(), fraction);
        let value = |place: u32| values[place as usize];
        order.sort_unstable_by(|a, b| value(*a).total_cmp(&value(*b)).then(a.cmp(b)));
        let parts = order.split_at(count);
        for (list, part) in [(low, parts.0), (high, parts.1)] {
            list.clear();
            list.extend_from_slice(part);
            list.sort_unstable();
        }
        Ok(())
    }

    /// Places of the lowest values, ascending.
    pub fn low(&self) -> &[u32] {
        &self.low
    }

    /// The other places, ascending.
    pub fn high(&self) -> &[u32] {
        &self.high
    }
}
