//! A block that scans the map (hybrid state-space block of MambaAD, section 3.3; VMamba's SS2D):
//!
//! x, z = in_proj(norm(m)); x = silu(depthwise3x3(x)); y = the sum of the scans of x in all directions, the mean over the
//! sweeps; m = m + out_proj(norm(y) silu(z)).

use snarm_kernels::Grid;
use snarm_kernels::cross_scan::{self, Directions, Sweep, cross_scan};
use snarm_kernels::depthwise::{self, Kernel, depthwise};
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::linear::Then;
use snarm_kernels::silu::{gate, silu};

use super::shape::{EPS, Shape};
use crate::error::Result;
use crate::layers::{Linear, Norm, Source, for_products};

/// Side of the square of taps before the scan.
const TAPS: usize = 3;

/// Weights of a block.
pub(super) struct Scanning {
    norm: Norm,
    input: Linear,
    gate: Linear,
    taps: Kernel,
    project: Linear,
    directions: Directions,
    out_norm: Norm,
    output: Linear,
}

/// Activations.
#[derive(Default)]
pub(super) struct Scratch {
    /// What products read: the normed map, on a device also `u`, and what the gate is applied to.
    normed: Buffer,
    x: Buffer,
    z: Buffer,
    u: Buffer,
    rows: Buffer,
    depthwise: depthwise::Workspace,
    scan: cross_scan::Workspace,
}

impl Scratch {
    /// For a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let floats = || Buffer::new(place, 0);
        let (x, z, u, rows) = (floats()?, floats()?, floats()?, floats()?);
        Ok(Self { normed: Buffer::of_products(place, 0)?, x, z, u, rows, ..Self::default() })
    }
}

impl Scanning {
    /// Reads a block for maps of `channels`.
    pub(super) fn read(shape: &Shape, channels: usize, source: &Source<'_>) -> Result<Self> {
        let (inner, rank) = (Shape::inner(channels), Shape::rank(channels));
        let Shape { states, directions: k, .. } = *shape;
        let own = source.at("self_attention");
        let joint = own.get("in_proj.weight", &[2 * inner, channels])?;
        let (input, gate) = joint.split_at(inner * channels);
        let plain = |weight: &[f32], outputs: usize| Linear::of(source, weight, vec![0.0; outputs]);
        let taps = own.get("conv2d.weight", &[inner, 1, TAPS, TAPS])?;
        let width = rank + 2 * states;
        let project = own.get("x_proj_weight", &[k, width, inner])?;
        let step = own.get("dt_projs_weight", &[k, inner, rank])?;
        let bias = own.get("dt_projs_bias", &[k, inner])?;
        let (a_log, skip) = (own.get("A_logs", &[k * inner, states])?, own.get("Ds", &[k * inner])?);
        Ok(Self {
            norm: Norm::read(&source.at("ln_1"), channels)?,
            input: plain(input, inner),
            gate: plain(gate, inner),
            taps: Kernel::new(&taps, own.get("conv2d.bias", &[inner])?)?,
            project: plain(&project, k * width),
            directions: Directions::new([k, inner], &step, &bias, &a_log, &skip)?,
            out_norm: Norm::read(&own.at("out_norm"), inner)?,
            output: plain(&own.get("out_proj.weight", &[channels, inner])?, channels),
        })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self {
            norm: self.norm.at(place)?,
            input: self.input.at(place)?,
            gate: self.gate.at(place)?,
            taps: self.taps.clone().at(place)?,
            project: self.project.at(place)?,
            directions: self.directions.at(place)?,
            out_norm: self.out_norm.at(place)?,
            output: self.output.at(place)?,
        })
    }

    /// Changes a map of `grid` in place.
    pub(super) fn run(&self, map: &mut Buffer, grid: Grid, sweeps: &[Sweep], s: &mut Scratch) -> Result<()> {
        let inner = grid.cells() * self.input.width();
        s.normed.resize(map.len())?;
        self.norm.run(&*map, EPS, &mut s.normed)?;
        for buffer in [&mut s.x, &mut s.z, &mut s.u] {
            buffer.resize(inner)?;
        }
        self.input.run(&s.normed, Then::Store, &mut s.x)?;
        self.gate.run(&s.normed, Then::Store, &mut s.z)?;
        depthwise(&s.x, grid.rows, grid.columns, &self.taps, &mut s.depthwise, &mut s.u)?;
        silu(&mut s.u)?;
        s.rows.resize(grid.cells() * self.project.width())?;
        let u = for_products(s.u.view(), self.input.width(), &mut s.normed)?;
        self.project.run(u, Then::Store, &mut s.rows)?;
        cross_scan(&s.u, &s.rows, &self.directions, sweeps, &mut s.scan, &mut s.x)?;
        s.normed.resize(inner)?;
        self.out_norm.run(&s.x, EPS, &mut s.normed)?;
        gate(&s.z, &mut s.normed)?;
        self.output.run(&s.normed, Then::Add, map)
    }
}
