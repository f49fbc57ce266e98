//! A branch that sees neighbourhoods: n(conv1x1), n(depth-wise k x k), n(conv1x1), n being instance norm and SiLU.

use snarm_kernels::Grid;
use snarm_kernels::depthwise::{self, Kernel, depthwise};
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::instance_norm::{self, Then as After, instance_norm};
use snarm_kernels::linear::Then;

use super::shape::EPS;
use crate::error::Result;
use crate::layers::{Linear, Source, for_products};

/// Weights of a branch.
pub(super) struct Local {
    before: Linear,
    taps: Kernel,
    after: Linear,
}

/// Activations.
#[derive(Default)]
pub(super) struct Scratch {
    /// What a device multiplies.
    rows: Buffer,
    inner: Buffer,
    filtered: Buffer,
    norm: instance_norm::Workspace,
    depthwise: depthwise::Workspace,
}

impl Scratch {
    /// For a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let (inner, filtered) = (Buffer::new(place, 0)?, Buffer::new(place, 0)?);
        Ok(Self { rows: Buffer::of_products(place, 0)?, inner, filtered, ..Self::default() })
    }
}

impl Local {
    /// Reads the branch of `side` x `side` taps for maps of `channels`.
    pub(super) fn read(channels: usize, side: usize, source: &Source<'_>) -> Result<Self> {
        let point = |place: char| {
            Linear::read(&source.at(format!("conv1{place}{side}")).at(0), channels, &[channels, 1, 1])
        };
        let taps = source.at(format!("conv{side}{side}")).at(0).get("weight", &[channels, 1, side, side])?;
        Ok(Self { before: point('b')?, taps: Kernel::new(&taps, vec![0.0; channels])?, after: point('a')? })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let (before, after) = (self.before.at(place)?, self.after.at(place)?);
        Ok(Self { before, taps: self.taps.clone().at(place)?, after })
    }

    /// A map of `grid`, as products read it, to `y` of the same size.
    pub(super) fn run(&self, map: BufferView<'_>, grid: Grid, s: &mut Scratch, y: &mut Buffer) -> Result<()> {
        let c = self.before.width();
        s.inner.resize(map.len())?;
        s.filtered.resize(map.len())?;
        self.before.run(map, Then::Store, &mut s.inner)?;
        instance_norm(&mut s.inner, c, EPS, After::Silu, &mut s.norm)?;
        depthwise(&s.inner, grid.rows, grid.columns, &self.taps, &mut s.depthwise, &mut s.filtered)?;
        instance_norm(&mut s.filtered, c, EPS, After::Silu, &mut s.norm)?;
        self.after.run(for_products(s.filtered.view(), c, &mut s.rows)?, Then::Store, &mut *y)?;
        Ok(instance_norm(y, c, EPS, After::Silu, &mut s.norm)?)
    }
}
