//! From the fused map to a reconstruction of the levels of features, stage by stage to finer maps.

use snarm_kernels::Grid;
use snarm_kernels::cross_scan::Sweep;
use snarm_kernels::device::{Buffer, BufferView, Place};

use super::expand::{self, Expand};
use super::fusion;
use super::levels::Levels;
use super::module::{self, Module};
use super::shape::{Kind, STAGES, Shape, WHAT};
use super::sweeps::sweeps;
use crate::encoder::Geometry;
use crate::error::{Error, Result};
use crate::layers::{Source, show};

/// The finest map that is scanned by quarters: a wider one would have quarters of quarters, which the published program
/// scans as well and this one does not.
const WIDEST_QUARTERED: usize = 64;

/// What [`super::Reconstruction::run_observed`] shows: maps (cells, channels).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The fused map.
    Fused,
    /// The map with which a stage begins, from the second on.
    Expanded(usize),
    /// What a block makes: stage, module, block.
    Scanned(usize, usize, usize),
    /// What a module makes: stage, module.
    Module(usize, usize),
}

/// Sees what each stage makes.
pub type Observe<'a> = dyn FnMut(Stage, &[f32]) + 'a;

/// Weights of the decoder.
pub(super) struct Decoder {
    stages: Vec<(Option<Expand>, Vec<Module>)>,
}

/// What one stream needs to run a decoder: allocated once and kept.
pub struct Workspace {
    /// Grids of the levels, the finest first.
    grids: [Grid; 3],
    /// Values of the levels.
    values: [usize; 3],
    fusion: fusion::Scratch,
    module: module::Scratch,
    /// Of each stage.
    sweeps: Vec<Vec<Sweep>>,
    /// Where the cells of a stage come from, see [`expand::places`]; nothing for the first.
    places: Vec<Buffer<u32>>,
    map: Buffer,
    /// What a device multiplies.
    rows: Buffer,
    parts: Buffer,
    cells: Buffer,
    /// Reconstructions of the levels, the finest first.
    levels: [Buffer; 3],
}

impl Workspace {
    /// For features of that geometry.
    ///
    /// # Errors
    /// When these are not three levels of the decoder's channels on squares, each half as fine as the one before, or a
    /// curve does not go through such squares.
    pub fn new(kind: &Kind, shape: &Shape, geometry: &Geometry) -> Result<Self> {
        Self::at(&Place::Host, kind, shape, geometry)
    }

    /// As [`Self::new`], at a place.
    ///
    /// # Errors
    /// As there, and when the device lacks the memory.
    pub fn at(place: &Place, kind: &Kind, shape: &Shape, geometry: &Geometry) -> Result<Self> {
        let found = geometry.levels();
        let side = geometry.grid().rows;
        let wanted: Vec<_> =
            shape.levels.iter().enumerate().map(|(i, c)| (Grid::square(side >> i), *c)).collect();
        let fits =
            side.is_multiple_of(8) && (!kind.quarters || side.is_multiple_of(16) && side <= WIDEST_QUARTERED);
        let levels: Vec<_> = found.iter().map(|level| (level.grid, level.width)).collect();
        if levels != wanted || !fits || (shape.curve.needs_power_of_two() && !side.is_power_of_two()) {
            let list = |levels: &[(Grid, usize)]| {
                levels.iter().map(|(grid, width)| format!("{grid} x {width}")).collect::<Vec<_>>().join(", ")
            };
            let of = [64, 32, 16].map(Grid::square).into_iter().zip(shape.levels).collect::<Vec<_>>();
            let expected = format!("three levels of features of a square input, such as {}", list(&of));
            return Err(Error::Mismatch { what: kind.family, expected, found: list(&levels) });
        }
        let sides = (0..STAGES).map(|stage| side >> (STAGES - 1 - stage));
        let finer = |(s, side): (usize, usize)| -> Result<Buffer<u32>> {
            let places = if s == 0 { Vec::new() } else { expand::places(Grid::square(side / 2)) };
            Ok(Buffer::of(place, &places)?)
        };
        let there = |sweeps: Vec<Sweep>| sweeps.iter().map(|sweep| Ok(sweep.at(place)?)).collect();
        let floats = || Buffer::new(place, 0);
        Ok(Self {
            grids: [side, side / 2, side / 4].map(Grid::square),
            values: std::array::from_fn(|i| found[i].values()),
            fusion: fusion::Scratch::at(place)?,
            module: module::Scratch::at(place)?,
            sweeps: sides.clone().map(|side| there(sweeps(kind, shape, side)?)).collect::<Result<_>>()?,
            places: sides.enumerate().map(finer).collect::<Result<_>>()?,
            map: floats()?,
            rows: Buffer::of_products(place, 0)?,
            parts: floats()?,
            cells: floats()?,
            levels: [floats()?, floats()?, floats()?],
        })
    }

    /// What was reconstructed of the levels of the last frame, the finest first.
    pub fn reconstructed(&self) -> Levels<'_> {
        self.levels.each_ref().map(Buffer::view)
    }

    /// Grids of the levels.
    pub(super) fn grids(&self) -> [Grid; 3] {
        self.grids
    }

    pub(super) fn map(&self) -> BufferView<'_> {
        self.map.view()
    }

    pub(super) fn for_fusion(&mut self) -> ([Grid; 3], &mut fusion::Scratch, &mut Buffer) {
        (self.grids, &mut self.fusion, &mut self.map)
    }

    /// Checks that levels are those that it was made for.
    pub(super) fn check(&self, levels: Levels<'_>) -> Result<()> {
        let found = levels.map(|level| level.len());
        if found == self.values {
            return Ok(());
        }
        let expected = format!("levels of {:?} values", self.values);
        Err(Error::Values { what: WHAT, expected, found: format!("{found:?}") })
    }
}

impl Decoder {
    pub(super) fn read(shape: &Shape, source: &Source<'_>) -> Result<Self> {
        let read = |s: usize| {
            let (own, channels) = (source.at(s), shape.channels(s));
            let expand = || Expand::read(shape.channels(s - 1), channels, &own.at("upsample"));
            let modules = shape.stages[s].iter().enumerate();
            let module = |(i, blocks): (usize, &usize)| {
                Module::read(shape, channels, *blocks, &own.at("blocks").at(i))
            };
            Ok(((s > 0).then(expand).transpose()?, modules.map(module).collect::<Result<_>>()?))
        };
        Ok(Self { stages: (0..STAGES).map(read).collect::<Result<_>>()? })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let stage = |(expand, modules): &(Option<Expand>, Vec<Module>)| {
            let expand = expand.as_ref().map(|expand| expand.at(place)).transpose()?;
            Ok((expand, modules.iter().map(|module| module.at(place)).collect::<Result<_>>()?))
        };
        Ok(Self { stages: self.stages.iter().map(stage).collect::<Result<_>>()? })
    }

    /// Reconstructs the levels from the fused map in the workspace.
    pub(super) fn run(&self, w: &mut Workspace, observe: &mut Observe<'_>) -> Result<()> {
        let coarsest = Grid { rows: w.grids[2].rows / 2, columns: w.grids[2].columns / 2 };
        for (s, (expand, modules)) in self.stages.iter().enumerate() {
            let level = STAGES.checked_sub(1 + s).filter(|level| *level < w.levels.len());
            let grid = level.map_or(coarsest, |level| w.grids[level]);
            if let Some(expand) = expand {
                let scratch = [&mut w.rows, &mut w.parts, &mut w.cells];
                expand.run(&mut w.map, &w.places[s], scratch)?;
                show(w.map.view(), |map| observe(Stage::Expanded(s), map));
            }
            for (i, module) in modules.iter().enumerate() {
                let mut seen = |block: usize, map: &[f32]| observe(Stage::Scanned(s, i, block), map);
                module.run(&mut w.map, grid, &w.sweeps[s], &mut w.module, &mut seen)?;
                show(w.map.view(), |map| observe(Stage::Module(s, i), map));
            }
            if let Some(level) = level {
                w.levels[level].copy(&w.map)?;
            }
        }
        Ok(())
    }
}
