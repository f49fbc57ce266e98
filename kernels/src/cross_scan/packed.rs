//! What the directions have learned, by blocks of channels.

use std::f32::consts::LOG2_E;

use super::{LANES, OP, cuda};
use crate::device::Place;
use crate::device::cuda::Slice;
use crate::error::{Result, check_len};

/// Parameters of all directions, ready to run.
#[derive(Debug, Clone)]
pub struct Directions {
    count: usize,
    channels: usize,
    rank: usize,
    states: usize,
    /// For each block of channels and each direction: A log2(e) (n, lanes), the weight of the step (r, lanes), its bias
    /// (lanes), and D (lanes).
    packed: Vec<f32>,
    /// Where they run on a device.
    on_device: Option<cuda::Weights>,
}

impl Directions {
    /// Packs, for `count` directions of `channels`: the weight of the step (count, channels, r), its bias (count, channels),
    /// A_log (count, channels, n) with A = -exp(A_log), and D (count, channels).
    ///
    /// # Errors
    /// When a length is no such shape.
    pub fn new(
        [count, channels]: [usize; 2],
        step: &[f32],
        bias: &[f32],
        a_log: &[f32],
        skip: &[f32],
    ) -> Result<Self> {
        let rows = count * channels;
        let (rank, states) = (step.len() / rows.max(1), a_log.len() / rows.max(1));
        check_len(OP, "the weight of the step", rows * rank, step.len())?;
        check_len(OP, "A", rows * states.max(1), a_log.len())?;
        check_len(OP, "bias", rows, bias.len())?;
        check_len(OP, "D", rows, skip.len())?;
        let mut packed = Vec::with_capacity(channels.div_ceil(LANES) * count * (states + rank + 2) * LANES);
        for first in (0..channels).step_by(LANES) {
            for direction in 0..count {
                let mut lanes = |value: &dyn Fn(usize) -> f32| {
                    let at = |lane: usize| {
                        (first + lane < channels).then_some(direction * channels + first + lane)
                    };
                    packed.extend((0..LANES).map(|lane| at(lane).map_or(0.0, value)));
                };
                (0..states).for_each(|i| lanes(&|row| -a_log[row * states + i].exp() * LOG2_E));
                (0..rank).for_each(|i| lanes(&|row| step[row * rank + i]));
                lanes(&|row| bias[row]);
                lanes(&|row| skip[row]);
            }
        }
        Ok(Self { count, channels, rank, states, packed, on_device: None })
    }

    /// The same parameters, ready to run at a place.
    ///
    /// # Errors
    /// When there are more states than a device scans, or it lacks the memory.
    pub fn at(&self, place: &Place) -> Result<Self> {
        let on_device = match place {
            Place::Host => None,
            Place::Cuda(_) => {
                let (n, r) = (self.states, self.rank);
                let parameters =
                    [(0, n), (n, r), (n + r, 1), (n + r + 1, 1)].map(|(i, rows)| self.rows(i, rows));
                Some(cuda::Weights::new(place, n, parameters)?)
            }
        };
        Ok(Self { on_device, ..self.clone() })
    }

    /// Some of the rows of parameters of all blocks, (directions, rows, channels).
    fn rows(&self, first: usize, rows: usize) -> Vec<f32> {
        let row = |direction: usize, row: usize, channel: usize| {
            self.block(channel / LANES, direction)[row * LANES + channel % LANES]
        };
        let all = (0..self.count).flat_map(|k| (first..first + rows).map(move |i| (k, i)));
        all.flat_map(|(k, i)| (0..self.channels).map(move |c| row(k, i, c))).collect()
    }

    /// A, the weight of the step, its bias and D in the memory of a device.
    pub(super) fn on_device(&self) -> Option<[Slice<'_>; 4]> {
        self.on_device.as_ref()?.slices()
    }

    /// Number of directions.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Channels of the map.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Elements of the rows that steps and matrices of a cell are read from, directions (r + 2 n).
    pub fn width(&self) -> usize {
        self.count * self.own_width()
    }

    /// Those of one direction.
    pub(super) fn own_width(&self) -> usize {
        self.rank + 2 * self.states
    }

    pub(super) fn rank(&self) -> usize {
        self.rank
    }

    pub(super) fn states(&self) -> usize {
        self.states
    }

    /// What one direction has learned for a block of channels.
    pub(super) fn block(&self, block: usize, direction: usize) -> &[f32] {
        let len = (self.states + self.rank + 2) * LANES;
        &self.packed[(block * self.count + direction) * len..][..len]
    }
}
