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
use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
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
    /// What products read: patches, merged cells, normed cells.
    rows: Buffer,
    cells: Buffer,
    normed: Buffer,
    lateral: Buffer,
    ended: Buffer,
    finer: Buffer,
    sum: Buffer,
    scratch: Scratch,
    /// From the cells of 16 and of 32 pixels to those of 8.
    upsample: [Option<Upsample>; 2],
}

impl Activations {
    /// For a network at a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let (floats, products) = (|| Buffer::new(place, 0), || Buffer::of_products(place, 0));
        Ok(Self {
            rows: products()?,
            cells: floats()?,
            normed: floats()?,
            lateral: floats()?,
            ended: products()?,
            finer: floats()?,
            sum: floats()?,
            scratch: Scratch::at(place)?,
            upsample: Default::default(),
        })
    }
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

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let stage = |s: usize| self.stages[s].iter().map(|block| block.at(place)).collect::<Result<_>>();
        let [merges, laterals] = [&self.merges, &self.laterals];
        Ok(Self {
            sizes: self.sizes.clone(),
            stem: self.stem.at(place)?,
            stem_norm: self.stem_norm.at(place)?,
            stages: [stage(0)?, stage(1)?, stage(2)?, stage(3)?],
            merges: [merges[0].at(place)?, merges[1].at(place)?, merges[2].at(place)?],
            laterals: [laterals[0].at(place)?, laterals[1].at(place)?, laterals[2].at(place)?],
            fuse: self.fuse.at(place)?,
            ending: self.ending.at(place)?,
        })
    }

    /// A normalised image (3, rows, columns) to descriptors (side / 8 * side / 8, width).
    pub(super) fn run(
        &self,
        image: BufferView<'_>,
        size: Grid,
        a: &mut Activations,
        descriptors: BufferViewMut<'_>,
    ) -> Result<()> {
        let of = |side: usize| Grid { rows: size.rows / side, columns: size.columns / side };
        let (mut cells, fine) = (of(PyramidSizes::PATCH), of(PyramidSizes::STRIDE));
        a.rows.resize(image.len())?;
        patches(image, size, PyramidSizes::PATCH, &mut a.rows)?;
        a.normed.resize(cells.cells() * self.stem.width())?;
        self.stem.run(&a.rows, Then::Store, &mut a.normed)?;
        a.cells.resize(a.normed.len())?;
        self.stem_norm.run(&a.normed, EPS, &mut a.cells)?;
        for (stage, blocks) in self.stages.iter().enumerate() {
            if let Some(before) = stage.checked_sub(1) {
                let (merging, channels) = (&self.merges[before], self.sizes.dims[before]);
                a.normed.resize(a.cells.len())?;
                merging.norm.run(&a.cells, EPS, &mut a.normed)?;
                a.rows.resize(a.cells.len())?;
                merge(&a.normed, cells, channels, &mut a.rows)?;
                cells = Grid { rows: cells.rows / 2, columns: cells.columns / 2 };
                a.cells.resize(cells.cells() * merging.linear.width())?;
                merging.linear.run(&a.rows, Then::Store, &mut a.cells)?;
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
        a.rows.resize(a.cells.len())?;
        lateral.norm.run(&a.cells, EPS, &mut a.rows)?;
        let Some(coarser) = before.checked_sub(1) else {
            a.sum.resize(fine.cells() * fused)?;
            return lateral.linear.run(&a.rows, Then::Store, &mut a.sum);
        };
        a.lateral.resize(cells.cells() * fused)?;
        lateral.linear.run(&a.rows, Then::Store, &mut a.lateral)?;
        a.finer.resize(fine.cells() * fused)?;
        let new = || Upsample::new(cells.into(), fine.into(), fused, Corners::Edges);
        a.upsample[coarser].get_or_insert_with(new).run(&a.lateral, &mut a.finer)?;
        Ok(add_scaled(&a.finer, 1.0, &mut a.sum)?)
    }
}

impl Projection {
    /// Reads `norm` (dim), `weight` (out, inner) and `bias` (out).
    fn read(source: &Source<'_>, dim: usize, out: usize, inner: usize) -> Result<Self> {
        Ok(Self { norm: Norm::read(&source.at("norm"), dim)?, linear: Linear::read(source, out, &[inner])? })
    }

    /// A copy at another place.
    fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self { norm: self.norm.at(place)?, linear: self.linear.at(place)? })
    }
}
