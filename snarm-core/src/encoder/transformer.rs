//! Sizes and constants of a vision transformer, read from its own tensors, and how descriptors are taken from it.

use snarm_kernels::Grid;

use super::geometry::{Geometry, IMAGENET, Level};
use crate::error::{Error, Result};

/// Where the two groups of layers lie whose means make the descriptor: block indices, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The earlier group.
    pub first: std::ops::Range<usize>,
    /// The later group.
    pub second: std::ops::Range<usize>,
}

impl Layers {
    /// SNARM's choice for 12 blocks, 1..=4 and 5..=8, carried over to other depths: all blocks but the first, up to
    /// three quarters of the depth, in two halves.
    pub fn of_depth(depth: usize) -> Self {
        let end = ((depth * 3).div_ceil(4)).max(2);
        let start = usize::from(end > 2);
        let middle = start + (end - start) / 2;
        Self { first: start..middle, second: middle..end }
    }

    /// All blocks of a network that gives its descriptors itself, after the last one.
    pub(crate) fn last(depth: usize) -> Self {
        Self { first: 0..0, second: 0..depth }
    }
}

/// How the table of position embeddings is brought to another grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PositionInterpolation {
    /// Bicubic (a = -0.75) without antialias, the scale taken as (grid + 0.1) / table: what SNARM, Dinomaly and the
    /// original DINOv2 models without registers do.
    #[default]
    Legacy,
    /// Bicubic (a = -0.5) with antialias to the size of the grid: what torch-hub's register models and Hugging Face do.
    Antialiased,
}

/// Sizes and constants of a vision transformer, and the layers that descriptors are taken from.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformer {
    /// Width of a token.
    pub dim: usize,
    /// Number of blocks in the file.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the hidden layer of the MLP.
    pub hidden: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Number of register tokens.
    pub registers: usize,
    /// Side of the table of position embeddings.
    pub table: usize,
    /// Epsilon of the layer norms.
    pub eps: f32,
    /// Side of the square input that it was trained on, in pixels.
    pub side: usize,
    /// Layers that the descriptor is made of.
    pub layers: Layers,
    /// How positions are interpolated.
    pub positions: PositionInterpolation,
    /// Whether descriptors are brought to a mean square of 1. Networks without register tokens keep their global
    /// memory in a few patches of enormous length, in whose shadow all other distances vanish. The published
    /// descriptors, from a network with registers, are taken as they are.
    pub unit_descriptors: bool,
}

/// What timm's ViTs trained with augmentation and regularisation ("augreg") use.
const HALF: ([f32; 3], [f32; 3]) = ([0.5; 3], [0.5; 3]);

/// Input side of the published model.
const SIDE: usize = 392;

/// The most channels that a network may have, several times those of the largest that is published.
pub(super) const MOST_CHANNELS: usize = 8192;

/// The most blocks, and the most registers.
pub(super) const MOST_BLOCKS: usize = 256;

/// The most patches a side: what a frame would take a minute for.
const MOST_PATCHES: usize = 512;

/// Pixels between two descriptors in the published model.
const STRIDE: usize = 8;

/// Width of a descriptor in the published model.
const WIDTH: usize = 512;

impl Transformer {
    /// A network with these sizes; everything else follows from them.
    pub fn new(
        dim: usize,
        depth: usize,
        hidden: usize,
        patch: usize,
        registers: usize,
        table: usize,
    ) -> Self {
        // Whole patches and whole strides, as near the published side as possible.
        let unit = patch * STRIDE / gcd(patch, STRIDE);
        let side = (SIDE + (unit - 1) / 2) / unit * unit;
        Self {
            dim,
            depth,
            heads: dim / 64,
            hidden,
            patch,
            registers,
            table,
            eps: 1e-6,
            side,
            layers: Layers::of_depth(depth),
            positions: PositionInterpolation::Legacy,
            unit_descriptors: registers == 0,
        }
    }

    /// The published way to descriptors: one every 8 pixels, 512 wide. Inputs are normalised as the DINO family's, or, with
    /// `supervised`, as timm's supervised ViTs'.
    pub fn geometry(&self, supervised: bool) -> Geometry {
        let level = Level { grid: Grid::square(self.side / STRIDE), width: WIDTH };
        Geometry::new(Grid::square(self.side), level, if supervised { HALF } else { IMAGENET })
    }

    /// The grid of patches of an image of `size` pixels.
    pub fn patches(&self, size: Grid) -> Grid {
        Grid { rows: size.rows / self.patch, columns: size.columns / self.patch }
    }

    /// Tokens before the patches: the class token and the registers.
    pub fn extra_tokens(&self) -> usize {
        1 + self.registers
    }

    /// All tokens of an image of `size` pixels.
    pub fn tokens(&self, size: Grid) -> usize {
        self.extra_tokens() + self.patches(size).cells()
    }

    /// Blocks that have to run.
    pub fn blocks_used(&self) -> usize {
        self.layers.second.end
    }

    /// Checks what no tensor shape can say.
    ///
    /// # Errors
    /// When the sizes do not make a network that can run.
    pub fn check(&self) -> Result<()> {
        let wrong = |expected: &str, found: String| {
            Err(Error::Sizes { what: "encoder", expected: expected.into(), found })
        };
        if self.dim == 0 || !self.dim.is_multiple_of(64) {
            return wrong("a token width that is a multiple of 64", self.dim.to_string());
        }
        if self.depth < 2 {
            return wrong("at least 2 blocks", self.depth.to_string());
        }
        if self.dim > MOST_CHANNELS || self.depth > MOST_BLOCKS || self.registers > MOST_BLOCKS {
            let expected = format!(
                "tokens up to {MOST_CHANNELS} wide, up to {MOST_BLOCKS} blocks and as many registers"
            );
            return wrong(&expected, format!("{}, {} and {}", self.dim, self.depth, self.registers));
        }
        if self.patch == 0 || self.patch > 64 {
            return wrong("patches of 1 to 64 pixels", self.patch.to_string());
        }
        let patches = self.side / self.patch;
        if !(1..=MOST_PATCHES).contains(&patches) {
            let found = format!("{patches} ({} pixels in patches of {})", self.side, self.patch);
            return wrong(&format!("1 to {MOST_PATCHES} patches a side"), found);
        }
        if !(1..=MOST_PATCHES).contains(&self.table) {
            return wrong(
                &format!("a table of 1 to {MOST_PATCHES} positions a side"),
                self.table.to_string(),
            );
        }
        Ok(())
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_blocks_give_the_published_layers() {
        assert_eq!(Layers::of_depth(12), Layers { first: 1..5, second: 5..9 });
        assert_eq!(Layers::of_depth(24), Layers { first: 1..9, second: 9..18 });
        assert_eq!(Layers::of_depth(2), Layers { first: 0..1, second: 1..2 });
    }

    #[test]
    fn the_input_holds_whole_patches_and_whole_strides() {
        let side = |patch| Transformer::new(64, 12, 256, patch, 0, 14).side;
        assert_eq!((side(14), side(16), side(8)), (392, 384, 392));
    }
}
