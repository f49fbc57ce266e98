//! Sizes of a decoder that reconstructs, and what tells one family of them from another.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::scan_order::Curve;

/// What messages call it.
pub(super) const WHAT: &str = "decoder";

/// Epsilon of all norms.
pub(crate) const EPS: f32 = 1e-5;

/// Stages of the decoder, from the coarsest map to the finest.
pub(crate) const STAGES: usize = 4;

/// Channels of a map for each element of the rank of the scan's step.
const CHANNELS_PER_RANK: usize = 16;

/// Channels that a block scans for each of its map's.
const EXPANSION: usize = 2;

/// The largest size that is taken from a file.
const MOST: usize = 8192;

/// What tells a family from the others that reconstruct.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Name of the family.
    pub family: &'static str,
    /// The curve that its decoders read maps along, where it is always the same.
    pub curve: Option<Curve>,
    /// Numbers of directions that it can have.
    pub directions: &'static [usize],
    /// Whether maps are also scanned quarter by quarter, by the same weights.
    pub quarters: bool,
}

/// Sizes of a decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Channels of the levels of features, the finest first.
    pub levels: [usize; 3],
    /// Channels of the map that they are fused to.
    pub fused: usize,
    /// Channels inside the last blocks of the fusion.
    pub planes: usize,
    /// Number of these blocks.
    pub bottlenecks: usize,
    /// Number of scanning blocks in each module of each stage, the coarsest stage first.
    pub stages: [Vec<usize>; STAGES],
    /// States of a scanned channel.
    pub states: usize,
    /// Directions in which maps are scanned.
    pub directions: usize,
    /// The curve of the first direction.
    pub curve: Curve,
}

impl Shape {
    /// The published sizes, for the features of a ResNet-34.
    pub fn published(directions: usize, curve: Curve) -> Self {
        Self {
            levels: [64, 128, 256],
            fused: 512,
            planes: 128,
            bottlenecks: 3,
            stages: [vec![3], vec![2, 2], vec![3, 3], vec![3]],
            states: 16,
            directions,
            curve,
        }
    }

    /// Channels of the map of a stage.
    pub fn channels(&self, stage: usize) -> usize {
        match stage {
            0 => self.fused,
            _ => self.levels[STAGES - 1 - stage],
        }
    }

    /// Channels that are scanned in a map of `channels`.
    pub(crate) fn inner(channels: usize) -> usize {
        EXPANSION * channels
    }

    /// Rank of the scan's step in a map of `channels`.
    pub(crate) fn rank(channels: usize) -> usize {
        channels.div_ceil(CHANNELS_PER_RANK)
    }

    /// Checks that the sizes are those of a decoder of that family.
    pub(super) fn check(&self, kind: &Kind) -> Result<()> {
        let wrong = |expected: String, found: String| Err(Error::Sizes { what: WHAT, expected, found });
        let sizes = [self.levels[0], self.levels[1], self.levels[2], self.fused, self.planes, self.states];
        if sizes.iter().any(|size| !(1..=MOST).contains(size)) || self.bottlenecks == 0 {
            let expected = format!("channels, planes and states of 1 to {MOST}, at least 1 block that fuses");
            return wrong(expected, format!("{sizes:?} and {}", self.bottlenecks));
        }
        if self.stages.iter().any(|modules| modules.is_empty() || modules.contains(&0)) {
            let expected = "at least 1 module a stage, 1 block a module".to_owned();
            return wrong(expected, format!("{:?}", self.stages));
        }
        if !kind.directions.contains(&self.directions) {
            let expected = format!("{} with {:?} directions", kind.family, kind.directions);
            return wrong(expected, self.directions.to_string());
        }
        match kind.curve {
            Some(curve) if curve != self.curve => {
                wrong(format!("{} along the curve {curve:?}", kind.family), format!("{:?}", self.curve))
            }
            _ => Ok(()),
        }
    }
}
