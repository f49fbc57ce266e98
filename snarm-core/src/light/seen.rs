//! What cells usually look like, and how a tile looks beside it.

use snarm_kernels::light::{COLOURS, Gain};

use super::{DARK, Logs, PLAIN};

/// Numbers of each end of the range in a file.
pub(crate) const ENDS: usize = 3 * COLOURS + 1;

/// The least deviation of a cell: of a bright one, and what is added for darker ones, at darkness.
const STEADY: f32 = 0.01;

/// Detail of a cell, in luma, that blur would take.
const DETAILED: f32 = 4.0 * PLAIN;

/// What a cell usually looks like: medians and deviations of its [`Logs`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    pub(super) median: Logs,
    pub(super) deviation: Logs,
}

/// The planes of each colour, and the sharpness: the logarithm of the detail beside what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    pub(super) planes: [Gain; COLOURS],
    pub(super) sharpness: f32,
}

/// The planes of the colours of such [`Seen::numbers`].
pub(super) fn planes(numbers: &[f32; ENDS]) -> [Gain; COLOURS] {
    let colour = |of: fn(&[f32]) -> f32| {
        let at = |i: usize| of(&numbers[COLOURS * i..][..COLOURS]);
        Gain { level: at(0), slope_x: at(1), slope_y: at(2) }
    };
    [colour(|n| n[0] + n[1]), colour(|n| n[0] - n[1] - n[2]), colour(|n| n[0] + n[2])]
}

impl Seen {
    /// What a range is made of: for level and both slopes the mean of the colours, and how far red and blue lie above it; then
    /// the sharpness. Light that is brighter or darker keeps its tint.
    pub(super) fn numbers(&self) -> [f32; ENDS] {
        let mut numbers = [self.sharpness; ENDS];
        let [red, green, blue] = self.planes.map(|plane| [plane.level, plane.slope_x, plane.slope_y]);
        for (at, numbers) in numbers.chunks_exact_mut(COLOURS).enumerate() {
            let mean = (red[at] + green[at] + blue[at]) / COLOURS as f32;
            numbers.copy_from_slice(&[mean, red[at] - mean, blue[at] - mean]);
        }
        numbers
    }

    /// Mean of the colours' levels.
    pub(super) fn level(&self) -> f32 {
        self.planes.iter().map(|plane| plane.level).sum::<f32>() / COLOURS as f32
    }
}

/// The deviation of a colour of a cell: darker ones say less.
pub(super) fn deviation(usual: &Usual, colour: usize) -> f32 {
    usual.deviation[colour] + STEADY + DARK / usual.median[colour].exp()
}

/// Whether a cell usually shows enough detail to tell blur by.
pub(super) fn has_detail(usual: &Usual) -> bool {
    usual.median[3] > DETAILED.ln()
}
