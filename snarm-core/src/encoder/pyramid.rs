//! A convolutional pyramid: four stages with cells of 4, 8, 16 and 32 pixels, the last ones of which attend to all cells.
//!
//! x = norm(stem(patches of 4 pixels)); blocks of stage 0; for stages 1, 2 and 3: x = merge(2 x 2 cells of norm(x)), then
//! the blocks of the stage. What norm and a linear layer (`laterals`) make of stages 1, 2 and 3 is brought to the cells of
//! 8 pixels and added; one more block (`fuse`) and descriptors = head(norm(x)). Fine cells see edges and texture, coarse
//! ones what they belong to. It knows no positions, so a part that lies elsewhere looks as it did.
//!
//! # Tensors
//! `stem.weight` (c0, 3, 4, 4), `stem.norm`, `stages.S.B` and `fuse` (see [`Block`]), `merges.S.norm`, `merges.S.weight`
//! (c of stage S + 1, 4 c of stage S), inputs in the order row, column, channel, `laterals.S.norm`, `laterals.S.weight`
//! (fused, c of stage S + 1), `head.norm`, `head.weight` (width, fused), and a bias for each weight.

use snarm_kernels::Grid;
use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::device::Buffer;
use snarm_kernels::linear::Then;
use snarm_kernels::patches::{merge, patches};
use snarm_kernels::upsample::{Corners, Upsample};

use super::ending::Ending;
use super::geometry::Geometry;
use super::sizes::PyramidSizes;
use crate::error::Result;
use crate::layers::{Block, EPS, EXPANSION, Linear, Norm, Scratch, Source};

/// A layer norm and the linear layer after it.
struct Projection {
    norm: Norm,
    linear: Linear,
}

/// The network, ready to run.
pub(super) struct Pyramid {
    sizes: PyramidSizes,
    stem: Linear,
    stem_norm: Norm,
    stages: [Vec<Block>; 4],
    /// What leads from each stage to the next.
    merges: [Projection; 3],
    /// What each stage but the first gives to the sum.
    laterals: [Projection; 3],
    fuse: Block,
    ending: Ending,
}

/// Activations of one image.
#[derive(Default)]
pub(super) struct Activations {
    rows: Vec<f32>,
    cells: Vec<f32>,
    normed: Vec<f32>,
    lateral: Vec<f32>,
    ended: Buffer,
    finer: Vec<f32>,
    sum: Vec<f32>,
    scratch: Scratch,
    /// From the cells of 16 and of 32 pixels to those of 8.
    upsample: [Option<Upsample>; 2],
}

impl Pyramid {
    /// Reads the tensors of a network of these sizes.
    pub(super) fn read(sizes: &PyramidSizes, geometry: &Geometry, source: &Source<'_>) -> Result<Self> {
        let (dims, stem) = (sizes.dims, source.at("stem"));
        let stage = |s: usize| -> Result<Vec<Block>> {
            let at = |b: usize| source.at("stages").at(s).at(b);
            (0..sizes.blocks[s])
                .map(|b| Block::read(&at(b), dims[s], sizes.kernel, sizes.attends(s, b)))
                .collect()
        };
        let merges =
            |s: usize| Projection::read(&source.at("merges").at(s), dims[s], dims[s + 1], 4 * dims[s]);
        let laterals =
            |s: usize| Projection::read(&source.at("laterals").at(s), dims[s + 1], sizes.fused, dims[s + 1]);
        Ok(Self {
            sizes: sizes.clone(),
            stem: Linear::read(&stem, dims[0], &[3, PyramidSizes::PATCH, PyramidSizes::PATCH])?,
            stem_norm: Norm::read(&stem.at("norm"), dims[0])?,
            stages: [stage(0)?, stage(1)?, stage(2)?, stage(3)?],
            merges: [merges(0)?, merges(1)?, merges(2)?],
            laterals: [laterals(0)?, laterals(1)?, laterals(2)?],
            fuse: Block::read(&source.at("fuse"), sizes.fused, sizes.kernel, false)?,
            ending: Ending::read(source, sizes.fused, geometry.width(), EPS)?,
        })
    }

    /// Sizes of the network.
    pub(super) fn sizes(&self) -> &PyramidSizes {
        &self.sizes
    }

    /// Numbers in the large buffers of a run.
    pub(super) fn activations(&self, size: Grid) -> usize {
        let cells = |side: usize| size.cells() / (side * side);
        let (first, fused) = (self.stem.width(), self.sizes.fused);
        // The map before, inside and after a block of the first stage, and its hidden layer; what the sum is made of.
        cells(PyramidSizes::PATCH) * (4 + EXPANSION) * first + cells(PyramidSizes::STRIDE) * 2 * fused
    }

    /// A normalised image (3, rows, columns) to descriptors (side / 8 * side / 8, width).
    pub(super) fn run(
        &self,
        image: &[f32],
        size: Grid,
        a: &mut Activations,
        descriptors: &mut [f32],
    ) -> Result<()> {
        let of = |side: usize| Grid { rows: size.rows / side, columns: size.columns / side };
        let (mut cells, fine) = (of(PyramidSizes::PATCH), of(PyramidSizes::STRIDE));
        a.rows.resize(image.len(), 0.0);
        patches(image, size, PyramidSizes::PATCH, &mut a.rows)?;
        a.normed.resize(cells.cells() * self.stem.width(), 0.0);
        self.stem.run(&a.rows, Then::Store, &mut a.normed)?;
        a.cells.resize(a.normed.len(), 0.0);
        self.stem_norm.run(&a.normed, EPS, &mut a.cells)?;
        for (stage, blocks) in self.stages.iter().enumerate() {
            if let Some(before) = stage.checked_sub(1) {
                self.merges[before].norm.run(&a.cells, EPS, resized(&mut a.normed, a.cells.len()))?;
                let channels = self.sizes.dims[before];
                merge(&a.normed, cells, channels, resized(&mut a.rows, a.cells.len()))?;
                cells = Grid { rows: cells.rows / 2, columns: cells.columns / 2 };
                let linear = &self.merges[before].linear;
                linear.run(&a.rows, Then::Store, resized(&mut a.cells, cells.cells() * linear.width()))?;
            }
            for block in blocks {
                block.run(&mut a.cells, cells.rows, cells.columns, &mut a.scratch)?;
            }
            if let Some(before) = stage.checked_sub(1) {
                self.add_lateral(before, cells, fine, a)?;
            }
        }
        self.fuse.run(&mut a.sum, fine.rows, fine.columns, &mut a.scratch)?;
        self.ending.run(&a.sum, &mut a.ended, descriptors)
    }

    /// Adds what the stage after `before` gives to the sum, on the cells of 8 pixels.
    fn add_lateral(&self, before: usize, cells: Grid, fine: Grid, a: &mut Activations) -> Result<()> {
        let (lateral, fused) = (&self.laterals[before], self.sizes.fused);
        lateral.norm.run(&a.cells, EPS, resized(&mut a.normed, a.cells.len()))?;
        let Some(coarser) = before.checked_sub(1) else {
            return lateral.linear.run(&a.normed, Then::Store, resized(&mut a.sum, fine.cells() * fused));
        };
        lateral.linear.run(&a.normed, Then::Store, resized(&mut a.lateral, cells.cells() * fused))?;
        let new = || Upsample::new(cells.into(), fine.into(), fused, Corners::Edges);
        let upsample = a.upsample[coarser].get_or_insert_with(new);
        upsample.run(&a.lateral, resized(&mut a.finer, fine.cells() * fused))?;
        Ok(add_scaled(&a.finer, 1.0, &mut a.sum)?)
    }
}

impl Projection {
    /// Reads `norm` (dim), `weight` (out, inner) and `bias` (out).
    fn read(source: &Source<'_>, dim: usize, out: usize, inner: usize) -> Result<Self> {
        Ok(Self { norm: Norm::read(&source.at("norm"), dim)?, linear: Linear::read(source, out, &[inner])? })
    }
}

/// The vector with that length.
fn resized(values: &mut Vec<f32>, len: usize) -> &mut [f32] {
    values.resize(len, 0.0);
    values
}
