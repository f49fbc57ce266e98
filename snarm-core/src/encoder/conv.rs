//! A convolutional feature network in two stages, its cells as rows and channels last all the way.
//!
//! x = norm(stem(patches)); blocks of stage 0; x = merge(2 x 2 cells of norm(x)) + position; blocks of stage 1;
//! descriptors = head(norm(x)). A block is x += fc2(gelu(fc1(norm(depthwise(x))))). Unlike attention, its cost grows with
//! the number of cells alone, and what a cell sees first is its neighbourhood, which a defect is told by.
//!
//! # Tensors
//! `stem.weight` (c0, 3, p, p), `stem.norm`, `stages.S.B.{depthwise,norm,fc1,fc2}.{weight,bias}` with the depth-wise
//! weight (c, k, k), `merge.norm`, `merge.weight` (c1, 4 c0), inputs in the order row, column, channel, `position`
//! (cells, c1), `head.norm`, `head.weight` (width, c1), and a bias for each weight.

use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
use snarm_kernels::linear::Then;
use snarm_kernels::patches::{merge, patches};

use super::ending::Ending;
use super::geometry::Geometry;
use super::position::interpolate;
use super::sizes::ConvSizes;
use super::transformer::PositionInterpolation;
use crate::error::Result;
use crate::layers::{Block, EPS, EXPANSION, Linear, Norm, Scratch, Source};

/// The network, ready to run.
pub(super) struct Conv {
    sizes: ConvSizes,
    stem: Linear,
    stem_norm: Norm,
    merge_norm: Norm,
    merge: Linear,
    /// What is added at each cell of the input that it was trained on, (side * side, c1).
    positions: Vec<f32>,
    stages: [Vec<Block>; 2],
    ending: Ending,
}

/// Activations of one image.
#[derive(Default)]
pub(super) struct Activations {
    patches: Buffer,
    fine: Buffer,
    coarse: Buffer,
    normed: Buffer,
    ended: Buffer,
    scratch: Scratch,
}

impl Activations {
    /// For a network at a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let (floats, products) = (|| Buffer::new(place, 0), || Buffer::of_products(place, 0));
        let (fine, coarse, normed) = (floats()?, floats()?, floats()?);
        let scratch = Scratch::at(place)?;
        Ok(Self { patches: products()?, fine, coarse, normed, ended: products()?, scratch })
    }
}

impl Conv {
    /// Reads the tensors of a network of these sizes.
    pub(super) fn read(sizes: &ConvSizes, geometry: &Geometry, source: &Source<'_>) -> Result<Self> {
        let ([c0, c1], p) = (sizes.dims, sizes.patch);
        let stage = |s: usize| {
            let blocks = (0..sizes.blocks[s]).map(|b| source.at("stages").at(s).at(b));
            blocks.map(|block| Block::read(&block, sizes.dims[s], sizes.kernel, false)).collect::<Result<_>>()
        };
        let (stem, merge) = (source.at("stem"), source.at("merge"));
        Ok(Self {
            sizes: sizes.clone(),
            stem: Linear::read(&stem, c0, &[3, p, p])?,
            stem_norm: Norm::read(&stem.at("norm"), c0)?,
            merge_norm: Norm::read(&merge.at("norm"), c0)?,
            merge: Linear::read(&merge, c1, &[4 * c0])?,
            positions: source.get("position", &[geometry.tokens(), c1])?,
            stages: [stage(0)?, stage(1)?],
            ending: Ending::read(source, c1, geometry.width(), EPS)?,
        })
    }

    /// Sizes of the network.
    pub(super) fn sizes(&self) -> &ConvSizes {
        &self.sizes
    }

    /// Numbers in the large buffers of a run.
    pub(super) fn activations(&self, size: Grid) -> usize {
        let patch = self.sizes.patch;
        // Input patches or cells; the map before, inside and after a block, and its hidden layer.
        size.cells() / (patch * patch) * (3 * patch * patch + (3 + EXPANSION) * self.stem.width())
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let stage = |s: usize| self.stages[s].iter().map(|block| block.at(place)).collect::<Result<_>>();
        Ok(Self {
            sizes: self.sizes.clone(),
            stem: self.stem.at(place)?,
            stem_norm: self.stem_norm.at(place)?,
            merge_norm: self.merge_norm.at(place)?,
            merge: self.merge.at(place)?,
            positions: self.positions.clone(),
            stages: [stage(0)?, stage(1)?],
            ending: self.ending.at(place)?,
        })
    }

    /// What is added at each cell of an input of `size`, (cells, c1): the table of the input that it was trained on, interpolated.
    pub(super) fn positions(&self, size: Grid) -> Vec<f32> {
        let stride = self.sizes.stride();
        let cells = Grid { rows: size.rows / stride, columns: size.columns / stride };
        let c1 = self.merge.width();
        let side = (self.positions.len() / c1.max(1)).isqrt();
        interpolate(&self.positions, side, cells, c1, PositionInterpolation::Legacy)
    }

    /// A normalised image (3, rows, columns) of `size` to descriptors (cells, width), with the [`Self::positions`] of its
    /// cells.
    pub(super) fn run(
        &self,
        image: BufferView<'_>,
        size: Grid,
        positions: &Buffer,
        a: &mut Activations,
        descriptors: BufferViewMut<'_>,
    ) -> Result<()> {
        let (patch, c0) = (self.sizes.patch, self.stem.width());
        let fine = Grid { rows: size.rows / patch, columns: size.columns / patch };
        let coarse = [fine.rows / 2, fine.columns / 2];
        a.patches.resize(fine.cells() * 3 * patch * patch)?;
        patches(image, size, patch, &mut a.patches)?;
        a.normed.resize(fine.cells() * c0)?;
        a.fine.resize(fine.cells() * c0)?;
        self.stem.run(&a.patches, Then::Store, &mut a.normed)?;
        self.stem_norm.run(&a.normed, EPS, &mut a.fine)?;
        for block in &self.stages[0] {
            block.run(&mut a.fine, fine.rows, fine.columns, &mut a.scratch)?;
        }

        self.merge_norm.run(&a.fine, EPS, &mut a.normed)?;
        a.patches.resize(coarse[0] * coarse[1] * 4 * c0)?;
        merge(&a.normed, fine, c0, &mut a.patches)?;
        a.coarse.copy(positions)?;
        self.merge.run(&a.patches, Then::Add, &mut a.coarse)?;
        for block in &self.stages[1] {
            block.run(&mut a.coarse, coarse[0], coarse[1], &mut a.scratch)?;
        }
        self.ending.run(&a.coarse, &mut a.ended, descriptors)
    }
}
