//! How a tile looks beside what its cells usually look like.

use snarm_kernels::light::{COLOURS, Gain, PLANES, Usual, tinted};

use super::PLAIN;

/// Numbers of each end of the range in a file.
pub(crate) const ENDS: usize = PLANES + 1;

/// Detail of a cell, in luma, that blur would take.
const DETAILED: f32 = 4.0 * PLAIN;

/// The planes of each colour, and the sharpness: the logarithm of the detail beside what is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    pub(super) planes: [Gain; COLOURS],
    pub(super) sharpness: f32,
}

impl Seen {
    /// What a range is made of: the planes as light changes, and the sharpness.
    pub(crate) fn numbers(&self) -> [f32; ENDS] {
        let mut numbers = [self.sharpness; ENDS];
        numbers[..PLANES].copy_from_slice(&tinted(&self.planes));
        numbers
    }

    /// Mean of the colours' levels.
    pub(super) fn level(&self) -> f32 {
        self.planes.iter().map(|plane| plane.level).sum::<f32>() / COLOURS as f32
    }
}

/// Whether a cell usually shows enough detail to tell blur by.
pub(super) fn has_detail(usual: &Usual) -> bool {
    usual.median[3] > DETAILED.ln()
}
