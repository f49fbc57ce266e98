//! A module of the decoder (locality-enhanced state space of MambaAD, section 3.3): m = m + conv1x1 of what scanning blocks
//! in a row and two branches of neighbourhoods make of m, side by side.

use snarm_kernels::Grid;
use snarm_kernels::cross_scan::Sweep;
use snarm_kernels::linear::Then;

use super::local::{self, Local};
use super::scanning::{self, Scanning};
use super::shape::Shape;
use crate::error::Result;
use crate::layers::{Linear, Source};

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
    scanned: Vec<f32>,
    branch: Vec<f32>,
    joined: Vec<f32>,
    scanning: scanning::Scratch,
    local: local::Scratch,
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

    /// Changes a map of `grid` in place; `observe` sees it after each block, by number.
    pub(super) fn run(
        &self,
        map: &mut [f32],
        grid: Grid,
        sweeps: &[Sweep],
        s: &mut Scratch,
        observe: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<()> {
        for buffer in [&mut s.scanned, &mut s.branch, &mut s.joined] {
            buffer.resize(map.len(), 0.0);
        }
        s.scanned.copy_from_slice(map);
        for (number, block) in self.blocks.iter().enumerate() {
            block.run(&mut s.scanned, grid, sweeps, &mut s.scanning)?;
            observe(number, &s.scanned);
        }
        let [scanned, near, far] = &self.join;
        s.joined.copy_from_slice(map);
        scanned.run(&s.scanned, Then::Add, &mut s.joined)?;
        for (local, join) in self.locals.iter().zip([near, far]) {
            local.run(map, grid, &mut s.local, &mut s.branch)?;
            join.run(&s.branch, Then::Add, &mut s.joined)?;
        }
        map.copy_from_slice(&s.joined);
        Ok(())
    }
}
