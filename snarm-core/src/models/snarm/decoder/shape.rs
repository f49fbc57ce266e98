//! Sizes of a decoder: what the tensors of a file say, and what follows from that.

use serde::{Deserialize, Serialize};
use snarm_kernels::causal_conv;

use crate::error::{Error, Result};

/// Cells between the taps of the decoder's convolution: one branch each, in this order.
pub const DILATIONS: [usize; 4] = [3, 6, 12, 24];

/// Scan orders of a branch.
pub const ORDERS: usize = 4;

/// Blocks of a branch.
pub const DEPTH: usize = 2;

/// States of each channel of a mixer.
pub const STATES: usize = 4;

/// Taps of a mixer's causal convolution.
pub const TAPS: usize = causal_conv::TAPS;

/// Variance below which a norm does not magnify.
pub(crate) const EPS: f32 = 1e-5;

/// What the decoder is called in messages.
pub(super) const WHAT: &str = "SNARM decoder";

/// Channels of the published decoder.
const PUBLISHED_CHANNELS: usize = 128;

/// Channels for each rank of the projection that makes the step (Mamba's own rule).
const CHANNELS_PER_RANK: usize = 16;

/// The most channels that a decoder may have.
const MAX_CHANNELS: usize = 1024;

/// Sizes of a decoder. The published one has 128 channels and four branches; small encoders are served by smaller ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Width of the residuals that the decoder reads: that of the encoder's descriptors.
    pub width: usize,
    /// Channels inside the module.
    pub channels: usize,
    /// Branches, the first so many of [`DILATIONS`].
    pub branches: usize,
}

impl Shape {
    /// The published sizes, for descriptors of that width (512 in the published model).
    pub const fn published(width: usize) -> Self {
        Self { width, channels: PUBLISHED_CHANNELS, branches: DILATIONS.len() }
    }

    /// Judges: one for each branch and order, numbered branch * 4 + order.
    pub const fn views(&self) -> usize {
        self.branches * ORDERS
    }

    /// Channels inside a mixer.
    pub const fn inner(&self) -> usize {
        2 * self.channels
    }

    /// Rank of the projection that makes the step of a mixer.
    pub const fn rank(&self) -> usize {
        self.channels.div_ceil(CHANNELS_PER_RANK)
    }

    /// Elements of a mixer's row \[step | B | C\].
    pub const fn projected(&self) -> usize {
        self.rank() + 2 * STATES
    }

    /// Checks that a decoder of these sizes can be.
    ///
    /// # Errors
    /// When the width is zero or odd, or the channels or branches lie outside what is supported.
    pub fn check(&self) -> Result<()> {
        let wrong = |expected: String, found: usize| {
            Err(Error::Sizes { what: WHAT, expected, found: found.to_string() })
        };
        if self.width == 0 || !self.width.is_multiple_of(2) {
            return wrong("an even descriptor width".to_owned(), self.width);
        }
        if !(1..=MAX_CHANNELS).contains(&self.channels) {
            return wrong(format!("1 to {MAX_CHANNELS} channels"), self.channels);
        }
        if !(1..=DILATIONS.len()).contains(&self.branches) {
            return wrong(format!("1 to {} branches", DILATIONS.len()), self.branches);
        }
        Ok(())
    }
}
