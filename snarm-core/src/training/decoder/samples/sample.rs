//! What is shown to a decoder in training.

use half::f16;
use snarm_kernels::preprocess::PixelRect;

/// What a sample shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in super::super) enum Shows {
    /// A good image as it is.
    Good,
    /// A good image in another light.
    OtherLight,
    /// A synthetic defect of that number.
    Synthetic(u32),
    /// A real defect; the image is a defective one.
    Real,
}

/// Which sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Id {
    pub(in super::super) category: usize,
    pub(in super::super) image: usize,
    pub(in super::super) shows: Shows,
}

/// One sample.
pub(in super::super) struct Sample {
    /// (tokens, width)
    pub(in super::super) descriptors: Vec<f16>,
    /// Signed inter-residuals, (tokens, width).
    pub(in super::super) residuals: Vec<f16>,
    /// Zeros and ones, (side, side).
    pub(in super::super) mask: Vec<u8>,
    /// Part of the network's square that shows the image.
    pub(in super::super) visible: PixelRect,
    /// What residuals are multiplied by before the decoder reads them.
    pub(in super::super) gain: f32,
    /// Mean distance of each token to its nearest bank rows, and the level of the bank where that weighs what the decoder says.
    pub(in super::super) distances: Vec<f32>,
    pub(in super::super) level: Option<f32>,
}

impl Sample {
    pub(super) fn bytes(&self) -> usize {
        2 * (self.descriptors.len() + self.residuals.len()) + self.mask.len() + 4 * self.distances.len()
    }
}
