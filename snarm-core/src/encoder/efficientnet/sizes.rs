//! Sizes of an EfficientNet-Lite, read from the shapes of its tensors.

use snarm_kernels::Grid;

use super::super::geometry::{Geometry, Level};
use super::names::Named;
use crate::error::{Error, Result};

/// Step of the first block of each stage.
pub(super) const STEPS: [usize; 7] = [1, 2, 2, 2, 1, 2, 1];

/// Side of the squares of taps of each stage.
const KERNELS: [usize; 7] = [3, 3, 5, 3, 5, 5, 3];

/// Side of the input in pixels where descriptors are given. The networks were trained on 224 to 300; on 320 the levels that
/// descriptors are put together of have whole grids of 40, 20 and 10.
const SIDE: usize = 320;

/// Levels that are given, or put together.
pub(super) const LEVELS: usize = 3;

/// What reconstructions of the finest level halve three times.
const COARSER: usize = 8;

/// The largest side of the grid of the finest level.
const MOST_FINE: usize = 128;

/// What the networks were trained on: (255 x - 127) / 128.
const NORMALISATION: ([f32; 3], [f32; 3]) = ([127.0 / 255.0; 3], [128.0 / 255.0; 3]);

/// Sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Channels of the stem.
    pub(super) stem: usize,
    /// Blocks of the stages.
    pub(super) stages: Vec<Vec<BlockSizes>>,
}

/// Sizes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockSizes {
    /// Side of the square of taps.
    pub(super) kernel: usize,
    /// Channels between its input and its output.
    pub(super) hidden: usize,
    /// Channels of its output.
    pub(super) outputs: usize,
    /// Whether a layer widens its input.
    pub(super) expands: bool,
}

/// What is given of what a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// Descriptors for patch search, from three levels on one grid.
    Descriptors,
    /// Three levels of features with cells of 4, 8 and 16 pixels, each for itself.
    Levels,
}

impl Given {
    /// Stages, from 0, at whose ends it is taken.
    pub(super) fn stages(self) -> [usize; LEVELS] {
        match self {
            Self::Descriptors => [2, 4, 6],
            Self::Levels => [1, 2, 4],
        }
    }

    /// Pixels between two cells of the finest level.
    pub(crate) fn stride(self) -> usize {
        2 * STEPS[..=self.stages()[0]].iter().product::<usize>()
    }

    /// Pixels between two cells of the coarsest level.
    pub(crate) fn unit(self) -> usize {
        2 * STEPS[..=self.stages()[LEVELS - 1]].iter().product::<usize>()
    }
}

impl Sizes {
    /// Sizes of the network in a file.
    pub(crate) fn of(named: &Named<'_>) -> Result<Self> {
        let size = |name: &str, axis: usize| -> Result<Option<usize>> {
            Ok(named.shape(name)?.and_then(|shape| shape.get(axis).copied()))
        };
        let mut stages = Vec::new();
        loop {
            let mut stage = Vec::new();
            loop {
                let name = |layer: &str| format!("blocks.{}.{}.{layer}.weight", stages.len(), stage.len());
                let taps = name("conv_dw");
                let Some(hidden) = size(&taps, 0)? else { break };
                let last = size(&name("conv_pwl"), 0)?;
                let outputs = match last {
                    Some(outputs) => Some(outputs),
                    None => size(&name("conv_pw"), 0)?,
                };
                stage.push(BlockSizes {
                    kernel: size(&taps, 2)?.unwrap_or(0),
                    hidden,
                    outputs: outputs.unwrap_or(0),
                    expands: last.is_some(),
                });
            }
            if stage.is_empty() {
                break;
            }
            stages.push(stage);
        }
        let sizes = Self { stem: size("conv_stem.weight", 0)?.unwrap_or(0), stages };
        if named.has_squeeze() {
            return Err(named.wrong(EXPECTED, "squeeze-and-excitation".to_owned()));
        }
        sizes.check().map_err(|found| named.wrong(EXPECTED, found))?;
        Ok(sizes)
    }

    /// A network of seven stages of the family with these channels and numbers of blocks.
    pub(crate) fn new(stem: usize, stages: [(usize, usize); 7]) -> Self {
        let mut inputs = stem;
        let stages = stages.into_iter().zip(KERNELS).enumerate().map(|(s, ((outputs, blocks), kernel))| {
            let block = |_| {
                let hidden = if s == 0 { inputs } else { 6 * inputs };
                inputs = outputs;
                BlockSizes { kernel, hidden, outputs, expands: s > 0 }
            };
            (0..blocks).map(block).collect()
        });
        Self { stem, stages: stages.collect() }
    }

    /// Input and output where descriptors are given.
    pub(crate) fn geometry(&self) -> Geometry {
        let grid = Grid::square(SIDE / Given::Descriptors.stride());
        let width = Given::Descriptors.stages().into_iter().map(|stage| self.channels(stage)).sum();
        Geometry::new(Grid::square(SIDE), Level { grid, width }, NORMALISATION)
    }

    /// Input and output where levels of features are given, the finest on a grid of `side` x `side`.
    ///
    /// # Errors
    /// When the side is not one that all levels and their reconstructions have whole grids with.
    pub(crate) fn levels(&self, side: usize) -> Result<Geometry> {
        if !side.is_multiple_of(COARSER) || !(COARSER..=MOST_FINE).contains(&side) {
            let expected =
                format!("a finest level of {COARSER} to {MOST_FINE} cells a side, a multiple of {COARSER}");
            return Err(Error::Sizes { what: "encoder", expected, found: side.to_string() });
        }
        let [fine, middle, coarse] = Given::Levels.stages().map(|stage| self.channels(stage));
        let level = |times: usize, width: usize| Level { grid: Grid::square(side >> times), width };
        let size = Grid::square(side * Given::Levels.stride());
        Ok(Geometry::new(size, level(0, fine), NORMALISATION).and(level(1, middle)).and(level(2, coarse)))
    }

    /// Blocks of all stages.
    pub(crate) fn depth(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }

    /// Channels at the end of a stage, from 0.
    pub(super) fn channels(&self, stage: usize) -> usize {
        self.stages.get(stage).and_then(|blocks| blocks.last()).map_or(0, |block| block.outputs)
    }

    /// What it has that the family has not. Other families of the same names (MobileNetV2) differ in their taps.
    fn check(&self) -> std::result::Result<(), String> {
        let kernels: Vec<usize> = self.stages.iter().map(|blocks| blocks[0].kernel).collect();
        if kernels != KERNELS {
            return Err(format!("{} stages with taps {kernels:?} a side", kernels.len()));
        }
        if let Some(block) = self.stages.iter().flatten().find(|block| block.hidden * block.outputs == 0) {
            return Err(format!("a block of {} and {} channels", block.hidden, block.outputs));
        }
        let width = self.geometry().width();
        if !width.is_multiple_of(2) {
            return Err(format!("descriptors {width} wide"));
        }
        Ok(())
    }
}

/// What an error says was expected.
const EXPECTED: &str = "an EfficientNet-Lite: 7 stages with taps 3, 3, 5, 3, 5, 5 and 3 a side";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lite2_has_the_published_sizes() {
        let sizes = Sizes::new(32, [(16, 1), (24, 3), (48, 3), (88, 4), (120, 4), (208, 5), (352, 1)]);
        sizes.check().unwrap();
        let geometry = sizes.geometry();
        assert_eq!((sizes.depth(), geometry.width(), geometry.grid()), (21, 520, Grid::square(40)));
        let geometry = sizes.levels(64).unwrap();
        let levels: Vec<_> = geometry.levels().iter().map(|level| (level.grid.rows, level.width)).collect();
        assert_eq!((geometry.size, &levels[..]), (Grid::square(256), &[(64, 24), (32, 48), (16, 120)][..]));
        assert_eq!(
            [Given::Descriptors, Given::Levels].map(|given| (given.stride(), given.unit())),
            [(8, 32), (4, 16)]
        );
        let [last] = sizes.stages[6][..] else { panic!("one block") };
        assert_eq!(last, BlockSizes { kernel: 3, hidden: 1248, outputs: 352, expands: true });
        assert_eq!(sizes.stages[0][0], BlockSizes { kernel: 3, hidden: 32, outputs: 16, expands: false });
    }

    #[test]
    fn another_family_is_told_by_its_taps() {
        let mut sizes = Sizes::new(8, [(8, 1); 7]);
        sizes.stages[2][0].kernel = 3;
        let found = sizes.check().unwrap_err();
        assert_eq!(found, "7 stages with taps [3, 3, 3, 3, 5, 5, 3] a side");
        sizes.stages.pop();
        assert!(sizes.check().is_err());
    }
}
