//! ResNet of basic blocks (He et al., arXiv 1512.03385; 18 and 34 layers): a stem, and the first three of its four stages.
//!
//! x = max_pool(relu(norm(conv7x7(image)))); blocks x = relu(x + norm(conv3x3(relu(norm(conv3x3(x)))))), the first of stages
//! 2 and 3 with steps of 2 and a 1 x 1 convolution on the way past it. What the stages see is given as three levels, with
//! cells of 4, 8 and 16 pixels, as it is: networks that reconstruct it compare themselves.
//!
//! Batch norms are folded into the convolutions before them.

mod names;

use snarm_kernels::Grid;
use snarm_kernels::columns::{self, columns};
use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
use snarm_kernels::linear::Then;
use snarm_kernels::max_pool::max_pool;
use snarm_kernels::relu::{add_relu, relu};
use snarm_kernels::unfold::{self, unfold};
use snarm_kernels::windows::Window;

pub(super) use self::names::Named;
use super::geometry::{Geometry, IMAGENET, Level};
use crate::error::Result;
use crate::layers::{After, Convolution, Linear, Source, Unrolled, folded, recorded, show};

/// Epsilon of the batch norms.
const EPS: f32 = 1e-5;

/// Stages that are read.
const STAGES: usize = 3;

/// Side of the input in pixels.
const SIDE: usize = 256;

/// Side of the square of taps of the stem.
const STEM_TAPS: usize = 7;

/// Windows of the stem. Its 7 taps with a border of 3 are 8 taps with padding "SAME", of which the last are 0.
const STEM: unfold::Window = unfold::Window { side: 8, step: 2 };

/// Windows of the largest values of the stem.
const POOL: Window = Window { side: 3, step: 2, border: 1 };

/// Sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Channels of the stem.
    stem: usize,
    /// Channels and number of blocks of the stages.
    stages: [(usize, usize); STAGES],
}

impl Sizes {
    /// Pixels between two cells of the coarsest level.
    pub(super) const UNIT: usize = 16;

    /// Pixels between two cells of the finest level.
    pub(super) const STRIDE: usize = 4;

    /// Input and output.
    pub(super) fn geometry(&self) -> Geometry {
        let level =
            |s: usize| Level { grid: Grid::square(SIDE / (Self::STRIDE << s)), width: self.stages[s].0 };
        Geometry::new(Grid::square(SIDE), level(0), IMAGENET).and(level(1)).and(level(2))
    }

    /// Blocks of all stages.
    pub(super) fn depth(&self) -> usize {
        self.stages.iter().map(|(_, blocks)| blocks).sum()
    }
}

/// A basic block.
struct Block {
    first: Convolution,
    second: Convolution,
    /// The way past it, where its output has another shape than its input.
    past: Option<Convolution>,
}

/// The network, ready to run.
pub(super) struct ResNet {
    sizes: Sizes,
    stem: Linear,
    stages: Vec<Vec<Block>>,
}

/// Activations of one image.
#[derive(Default)]
pub(super) struct Activations {
    windows: Buffer,
    x: Buffer,
    inner: Buffer,
    outer: Buffer,
    past: Buffer,
    unrolled: Unrolled,
}

impl Activations {
    /// For a network at a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let (floats, products) = (|| Buffer::new(place, 0), || Buffer::of_products(place, 0));
        let (x, outer, past) = (floats()?, floats()?, floats()?);
        Ok(Self { windows: products()?, x, inner: products()?, outer, past, unrolled: Unrolled::at(place)? })
    }
}

/// torchvision's names and the shapes of all tensors that a network with a stem of so many channels reads, whose stages have
/// these channels and numbers of blocks.
///
/// # Errors
/// When a size is 0.
pub fn tensors(stem: usize, stages: [(usize, usize); STAGES]) -> Result<Vec<(String, Vec<usize>)>> {
    recorded(|tensors| ResNet::read(&Sizes { stem, stages }, &Source::new("encoder", tensors)))
}

impl ResNet {
    /// Reads the tensors of a network of these sizes, by torchvision's names.
    pub(super) fn read(sizes: &Sizes, source: &Source<'_>) -> Result<Self> {
        let taps = STEM_TAPS;
        let (weight, bias) =
            folded(&source.at("conv1"), &source.at("bn1"), sizes.stem, &[3, taps, taps], EPS)?;
        let mut wider = vec![0.0; sizes.stem * 3 * STEM.side * STEM.side];
        for (wider, square) in
            wider.chunks_exact_mut(STEM.side * STEM.side).zip(weight.chunks_exact(taps * taps))
        {
            for (wider, line) in wider.chunks_exact_mut(STEM.side).zip(square.chunks_exact(taps)) {
                wider[..taps].copy_from_slice(line);
            }
        }
        let (mut stages, mut inputs) = (Vec::new(), sizes.stem);
        for (s, (channels, blocks)) in sizes.stages.into_iter().enumerate() {
            let mut stage = Vec::new();
            for b in 0..blocks {
                let step = if s > 0 && b == 0 { 2 } else { 1 };
                let layer = source.at(format!("layer{}", s + 1)).at(b);
                stage.push(Block::read(&layer, [channels, inputs], step)?);
                inputs = channels;
            }
            stages.push(stage);
        }
        Ok(Self { sizes: sizes.clone(), stem: Linear::of(source, &wider, bias), stages })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let stage = |blocks: &Vec<Block>| blocks.iter().map(|block| block.at(place)).collect::<Result<_>>();
        let stages = self.stages.iter().map(stage).collect::<Result<_>>()?;
        Ok(Self { sizes: self.sizes.clone(), stem: self.stem.at(place)?, stages })
    }

    /// Sizes of the network.
    pub(super) fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Numbers in the large buffers of a run: windows and cells of the stem; in the first stage input, output and what lies
    /// between; the windows of the second.
    pub(super) fn activations(&self, size: Grid) -> usize {
        let fine = size.cells() / (Sizes::STRIDE * Sizes::STRIDE);
        4 * fine * (3 * STEM.side * STEM.side + self.stem.width()) + 5 * fine * self.sizes.stages[0].0
    }

    /// A normalised image (3, rows, columns) to the values of all levels, (cells, channels) one after the other. `observe`
    /// sees the cells after the stem, as number 0, and after each stage, as numbers from 1.
    pub(super) fn run(
        &self,
        image: BufferView<'_>,
        size: Grid,
        a: &mut Activations,
        mut levels: BufferViewMut<'_>,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let mut grid = Grid { rows: size.rows.div_ceil(2), columns: size.columns.div_ceil(2) };
        a.windows.resize(grid.cells() * 3 * STEM.side * STEM.side)?;
        unfold(image, size.rows, size.columns, STEM, &mut a.windows)?;
        a.outer.resize(grid.cells() * self.stem.width())?;
        self.stem.run(&a.windows, Then::Store, &mut a.outer)?;
        relu(&mut a.outer)?;
        let pooled = POOL.outputs(grid);
        a.x.resize(pooled.cells() * self.stem.width())?;
        max_pool(&a.outer, grid, POOL, &mut a.x)?;
        show(a.x.view(), |x| observe(0, x));
        grid = pooled;
        let mut first = 0;
        for (s, stage) in self.stages.iter().enumerate() {
            for block in stage {
                grid = block.run(grid, a)?;
            }
            show(a.x.view(), |x| observe(s + 1, x));
            let width = self.sizes.stages[s].0;
            if let Some(level) = levels.reborrow().part(first..first + a.x.len()) {
                columns(&a.x, width, 1.0, columns::Place::all(width), level)?;
            }
            first += a.x.len();
        }
        Ok(())
    }
}

impl Block {
    fn read(source: &Source<'_>, [channels, inputs]: [usize; 2], step: usize) -> Result<Self> {
        let read = |conv: &Source<'_>, norm: &Source<'_>, inputs: usize, side: usize, step: usize| {
            let window = Window { side, step, border: side / 2 };
            Convolution::read([conv, norm], [channels, inputs], window, false, EPS)
        };
        let beside = source.at("downsample");
        let is_same = step == 1 && channels == inputs;
        Ok(Self {
            first: read(&source.at("conv1"), &source.at("bn1"), inputs, 3, step)?,
            second: read(&source.at("conv2"), &source.at("bn2"), channels, 3, 1)?,
            past: if is_same { None } else { Some(read(&beside.at(0), &beside.at(1), inputs, 1, step)?) },
        })
    }

    /// A copy at another place.
    fn at(&self, place: &Place) -> Result<Self> {
        let past = self.past.as_ref().map(|past| past.at(place)).transpose()?;
        Ok(Self { first: self.first.at(place)?, second: self.second.at(place)?, past })
    }

    /// Takes a map of `grid` from `a.x` and leaves its own there, whose grid is returned.
    fn run(&self, grid: Grid, a: &mut Activations) -> Result<Grid> {
        let after = self.first.run(&a.x, grid, After::Relu, &mut a.unrolled, &mut a.inner)?;
        self.second.run(&a.inner, after, After::Store, &mut a.unrolled, &mut a.outer)?;
        if let Some(past) = &self.past {
            past.run(&a.x, grid, After::Store, &mut a.unrolled, &mut a.past)?;
            std::mem::swap(&mut a.x, &mut a.past);
        }
        add_relu(&a.outer, &mut a.x)?;
        Ok(after)
    }
}

#[cfg(test)]
pub(super) mod tests;
