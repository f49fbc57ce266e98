//! A module of the decoder (locality-enhanced state space of MambaAD, section 3.3): m = m + conv1x1 of what scanning blocks
//! in a row and two branches of neighbourhoods make of m, side by side.

use snarm_kernels::Grid;
use snarm_kernels::cross_scan::Sweep;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::linear::Then;

use super::local::{self, Local};
use super::scanning::{self, Scanning};
use super::shape::Shape;
use crate::error::Result;
use crate::layers::{Linear, Source, for_products, show};

/// Sides of the squares of taps of the branches, in the order of the joint convolution.
const SIDES: [usize; 2] = [5, 7];

/// Weights of a module.
pub(super) struct Module {
    blocks: Vec<Scanning>,
    locals: [Local; 2],
    /// The joint convolution of the blocks and of each branch; the first has its bias.
    join: [Linear; 3],
}

/// Activations.
#[derive(Default)]
pub(super) struct Scratch {
    scanned: Buffer,
    branch: Buffer,
    joined: Buffer,
    /// What a device multiplies.
    rows: Buffer,
    scanning: scanning::Scratch,
    local: local::Scratch,
}

impl Scratch {
    /// For a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let floats = || Buffer::new(place, 0);
        Ok(Self {
            scanned: floats()?,
            branch: floats()?,
            joined: floats()?,
            rows: Buffer::of_products(place, 0)?,
            scanning: scanning::Scratch::at(place)?,
            local: local::Scratch::at(place)?,
        })
    }
}

impl Module {
    /// Reads a module of so many blocks for maps of `channels`.
    pub(super) fn read(shape: &Shape, channels: usize, blocks: usize, source: &Source<'_>) -> Result<Self> {
        let (all, own) = (source.at("smm_blocks"), source.at("finalconv11"));
        let joint = own.get("weight", &[channels, 3 * channels, 1, 1])?;
        let part = |number: usize, bias: Vec<f32>| {
            let rows = joint.chunks_exact(3 * channels).flat_map(|row| &row[number * channels..][..channels]);
            Linear::of(source, &rows.copied().collect::<Vec<_>>(), bias)
        };
        let zeros = || vec![0.0; channels];
        let local = |side: usize| Local::read(channels, side, source);
        Ok(Self {
            blocks: (0..blocks)
                .map(|b| Scanning::read(shape, channels, &all.at(b)))
                .collect::<Result<_>>()?,
            locals: [local(SIDES[0])?, local(SIDES[1])?],
            join: [part(0, own.get("bias", &[channels])?), part(1, zeros()), part(2, zeros())],
        })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let Self { blocks, locals: [near, far], join: [scanned, first, second] } = self;
        Ok(Self {
            blocks: blocks.iter().map(|block| block.at(place)).collect::<Result<_>>()?,
            locals: [near.at(place)?, far.at(place)?],
            join: [scanned.at(place)?, first.at(place)?, second.at(place)?],
        })
    }

    /// Changes a map of `grid` in place; `observe` sees it after each block, by number.
    pub(super) fn run(
        &self,
        map: &mut Buffer,
        grid: Grid,
        sweeps: &[Sweep],
        s: &mut Scratch,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        let c = map.len() / grid.cells().max(1);
        s.branch.resize(map.len())?;
        s.scanned.copy(map)?;
        for (number, block) in self.blocks.iter().enumerate() {
            block.run(&mut s.scanned, grid, sweeps, &mut s.scanning)?;
            show(s.scanned.view(), |map| observe(number, map));
        }
        let [scanned, near, far] = &self.join;
        s.joined.copy(map)?;
        scanned.run(for_products(s.scanned.view(), c, &mut s.rows)?, Then::Add, &mut s.joined)?;
        for (local, join) in self.locals.iter().zip([near, far]) {
            local.run(for_products(map.view(), c, &mut s.rows)?, grid, &mut s.local, &mut s.branch)?;
            join.run(for_products(s.branch.view(), c, &mut s.rows)?, Then::Add, &mut s.joined)?;
        }
        Ok(map.copy(&s.joined)?)
    }
}
