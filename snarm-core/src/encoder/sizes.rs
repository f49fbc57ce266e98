//! Kinds and sizes of the networks in our own encoder files.

use serde::{Deserialize, Serialize};

use super::geometry::Geometry;
use super::transformer::{Layers, MOST_BLOCKS, MOST_CHANNELS, PositionInterpolation, Transformer};
use crate::error::{Error, Result};
use crate::layers::{EPS, EXPANSION, HEAD};

/// The longest side of squares of taps and of patches, in pixels.
const MOST_TAPS: usize = 64;

/// Kind and sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Convolutional, in two stages.
    Conv(ConvSizes),
    /// Convolutional, a pyramid of four stages.
    Pyramid(PyramidSizes),
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

/// Sizes of a convolutional pyramid, whose stages have cells of 4, 8, 16 and 32 pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PyramidSizes {
    /// Side of the squares of taps, odd.
    pub kernel: usize,
    /// Channels of the stages.
    pub dims: [usize; 4],
    /// Blocks of the stages.
    pub blocks: [usize; 4],
    /// How many of a stage's blocks, the last ones, attend to all cells; their channels are a multiple of 64.
    pub attending: [usize; 4],
    /// Channels of what is made of the last three stages.
    pub fused: usize,
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
            Self::Pyramid(sizes) => sizes.check(geometry),
            Self::Vit(sizes) => sizes.transformer(geometry).check(),
        }
    }
}

/// Checks what a header claims before anything is computed of it.
fn check_limits(sides: &[usize], channels: &[usize], blocks: &[usize]) -> Result<()> {
    let large = |sizes: &[usize], most: usize| sizes.iter().any(|size| *size > most);
    if !large(sides, MOST_TAPS) && !large(channels, MOST_CHANNELS) && !large(blocks, MOST_BLOCKS) {
        return Ok(());
    }
    let expected = format!(
        "patches and squares of taps up to {MOST_TAPS} a side, up to {MOST_CHANNELS} channels and {MOST_BLOCKS} blocks \
         a stage"
    );
    let found = format!("{sides:?}, {channels:?} and {blocks:?}");
    Err(Error::Sizes { what: "encoder", expected, found })
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
            return Err(Error::Sizes { what: "encoder", expected, found });
        }
        check_limits(&[self.patch, self.kernel], &self.dims, &self.blocks)?;
        let (side, grid) = (geometry.size.rows, geometry.grid().rows);
        let cells = side / self.stride().max(1);
        if self.patch > 0 && cells > 0 && (cells * self.stride(), cells) == (side, grid) {
            return Ok(());
        }
        let expected = format!("an input of whole cells of 2 x {} pixels, one descriptor a cell", self.patch);
        let found = format!("side {side}, grid {grid}");
        Err(Error::Sizes { what: "encoder", expected, found })
    }
}

impl PyramidSizes {
    /// Side of a patch of the stem, in pixels.
    pub const PATCH: usize = 4;

    /// Side of a descriptor's cell in pixels.
    pub const STRIDE: usize = 8;

    /// Side of the cells of the last stage in pixels.
    pub(super) const COARSEST: usize = 32;

    /// Whether a block of a stage attends to all cells.
    pub fn attends(&self, stage: usize, block: usize) -> bool {
        block + self.attending[stage] >= self.blocks[stage]
    }

    /// Blocks of all stages.
    pub fn depth(&self) -> usize {
        self.blocks.iter().sum()
    }

    fn check(&self, geometry: &Geometry) -> Result<()> {
        let wrong = |expected: &str, found: String| {
            Err(Error::Sizes { what: "encoder", expected: expected.to_owned(), found })
        };
        if self.kernel.is_multiple_of(2) || self.dims.contains(&0) || self.fused == 0 {
            let expected = "squares of taps with an odd side, at least 1 channel a stage";
            return wrong(
                expected,
                format!("side {}, channels {:?} and {}", self.kernel, self.dims, self.fused),
            );
        }
        check_limits(&[self.kernel], &[&self.dims[..], &[self.fused]].concat(), &self.blocks)?;
        for stage in 0..4 {
            let (dim, attending) = (self.dims[stage], self.attending[stage]);
            if attending > self.blocks[stage] || (attending > 0 && !dim.is_multiple_of(HEAD)) {
                let expected = "as many attending blocks as a stage has, of a multiple of 64 channels";
                return wrong(expected, format!("{attending} of {} with {dim}", self.blocks[stage]));
            }
        }
        let (side, grid) = (geometry.size.rows, geometry.grid().rows);
        if side > 0 && side.is_multiple_of(Self::COARSEST) && grid == side / Self::STRIDE {
            return Ok(());
        }
        wrong(
            "a side that is a multiple of 32, one descriptor for 8 pixels",
            format!("side {side}, grid {grid}"),
        )
    }
}

impl VitSizes {
    /// The network of these sizes for that input, one descriptor a patch from its last block.
    pub(crate) fn transformer(&self, geometry: &Geometry) -> Transformer {
        Transformer {
            dim: self.dim,
            depth: self.depth,
            heads: self.dim / 64,
            hidden: self.dim.saturating_mul(EXPANSION),
            patch: self.patch,
            registers: self.registers,
            table: geometry.grid().rows,
            eps: EPS,
            side: geometry.size.rows,
            layers: Layers::last(self.depth),
            positions: PositionInterpolation::Legacy,
            unit_descriptors: false,
        }
    }
}
