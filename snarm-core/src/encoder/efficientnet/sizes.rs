//! Sizes of an EfficientNet-Lite, read from the shapes of its tensors.

use snarm_kernels::Grid;

use super::super::geometry::{Geometry, Level};
use super::names::Named;
use crate::error::Result;

/// Step of the first block of each stage.
pub(super) const STEPS: [usize; 7] = [1, 2, 2, 2, 1, 2, 1];

/// Side of the squares of taps of each stage.
const KERNELS: [usize; 7] = [3, 3, 5, 3, 5, 5, 3];

/// Stages, from 0, at whose ends descriptors are taken.
pub(super) const LEVELS: [usize; 3] = [2, 4, 6];

/// Side of the input in pixels. The networks were trained on 224 to 300; on 320 the levels have whole grids of 40, 20 and 10.
const SIDE: usize = 320;

/// Pixels between two cells of the finest level.
const STRIDE: usize = 8;

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

    /// Input and output.
    pub(crate) fn geometry(&self) -> Geometry {
        let width = LEVELS.iter().map(|level| self.channels(*level)).sum();
        Geometry::new(Grid::square(SIDE), Level { grid: Grid::square(SIDE / STRIDE), width }, NORMALISATION)
    }

    /// Blocks of all stages.
    pub(crate) fn depth(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }

    /// Pixels between two cells of the coarsest level.
    pub(crate) fn unit(&self) -> usize {
        STEPS.iter().product::<usize>() * 2
    }

    /// Pixels between two cells of the finest level.
    pub(crate) fn stride(&self) -> usize {
        STRIDE
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
        if !self.geometry().width().is_multiple_of(2) {
            return Err(format!("descriptors {} wide", self.geometry().width()));
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
        assert_eq!(
            (sizes.depth(), sizes.geometry().width(), sizes.geometry().grid()),
            (21, 520, Grid::square(40))
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
