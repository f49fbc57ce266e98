//! Kinds and sizes of the networks in our own encoder files.

use serde::{Deserialize, Serialize};

use super::geometry::Geometry;
use super::transformer::{Layers, PositionInterpolation, Transformer};
use crate::error::{Error, Result};

/// Epsilon of the layer norms.
pub(crate) const EPS: f32 = 1e-6;

/// Hidden channels of a block for each of its own.
pub(crate) const EXPANSION: usize = 4;

/// Kind and sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Convolutional.
    Conv(ConvSizes),
    /// A vision transformer with registers.
    Vit(VitSizes),
}

/// Sizes of a convolutional network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvSizes {
    /// Side of a patch of the stem, in pixels.
    pub patch: usize,
    /// Side of the squares of taps, odd.
    pub kernel: usize,
    /// Channels of the stages.
    pub dims: [usize; 2],
    /// Blocks of the stages.
    pub blocks: [usize; 2],
}

/// Sizes of a transformer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitSizes {
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width of a token, a multiple of 64.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Number of register tokens.
    pub registers: usize,
}

impl Network {
    /// Checks that the sizes make a network of that geometry.
    ///
    /// # Errors
    /// When they do not, with what they would need.
    pub(crate) fn check(&self, geometry: &Geometry) -> Result<()> {
        match self {
            Self::Conv(sizes) => sizes.check(geometry),
            Self::Vit(sizes) => sizes.transformer(geometry).check(),
        }
    }
}

impl ConvSizes {
    /// Blocks of both stages.
    pub fn depth(&self) -> usize {
        self.blocks.iter().sum()
    }

    /// Side of a descriptor's cell in pixels.
    pub fn stride(&self) -> usize {
        2 * self.patch
    }

    fn check(&self, geometry: &Geometry) -> Result<()> {
        let (even, empty) = (self.kernel.is_multiple_of(2), self.dims.contains(&0));
        if even || empty {
            let expected = "squares of taps with an odd side, at least 1 channel a stage".to_owned();
            let found = format!("side {}, channels {:?}", self.kernel, self.dims);
            return Err(Error::Mismatch { what: "encoder", expected, found });
        }
        let Geometry { side, grid, .. } = *geometry;
        let cells = side / self.stride().max(1);
        if self.patch > 0 && cells > 0 && (cells * self.stride(), cells) == (side, grid) {
            return Ok(());
        }
        let expected = format!("an input of whole cells of 2 x {} pixels, one descriptor a cell", self.patch);
        let found = format!("side {side}, grid {grid}");
        Err(Error::Mismatch { what: "encoder", expected, found })
    }
}

impl VitSizes {
    /// The network of these sizes for that input, one descriptor a patch from its last block.
    pub(crate) fn transformer(&self, geometry: &Geometry) -> Transformer {
        Transformer {
            dim: self.dim,
            depth: self.depth,
            heads: self.dim / 64,
            hidden: EXPANSION * self.dim,
            patch: self.patch,
            registers: self.registers,
            table: geometry.grid,
            eps: EPS,
            side: geometry.side,
            layers: Layers::last(self.depth),
            positions: PositionInterpolation::Legacy,
            unit_descriptors: false,
        }
    }
}
