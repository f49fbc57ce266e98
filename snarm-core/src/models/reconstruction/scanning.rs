//! A block that scans the map (hybrid state-space block of MambaAD, section 3.3; VMamba's SS2D):
//!
//! x, z = in_proj(norm(m)); x = silu(depthwise3x3(x)); y = the sum of the scans of x in all directions, the mean over the
//! sweeps; m = m + out_proj(norm(y) silu(z)).

use snarm_kernels::Grid;
use snarm_kernels::cross_scan::{self, Directions, Sweep, cross_scan};
use snarm_kernels::depthwise::{self, Kernel, depthwise};
use snarm_kernels::linear::Then;
use snarm_kernels::silu::{gate, silu};

use super::shape::{EPS, Shape};
use crate::error::Result;
use crate::layers::{Linear, Norm, Source};

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
    normed: Vec<f32>,
    x: Vec<f32>,
    z: Vec<f32>,
    u: Vec<f32>,
    rows: Vec<f32>,
    depthwise: depthwise::Workspace,
    scan: cross_scan::Workspace,
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

    /// Changes a map of `grid` in place.
    pub(super) fn run(&self, map: &mut [f32], grid: Grid, sweeps: &[Sweep], s: &mut Scratch) -> Result<()> {
        let inner = grid.cells() * self.input.width();
        s.normed.resize(map.len(), 0.0);
        self.norm.run(&*map, EPS, &mut s.normed)?;
        for buffer in [&mut s.x, &mut s.z, &mut s.u] {
            buffer.resize(inner, 0.0);
        }
        self.input.run(&s.normed, Then::Store, &mut s.x)?;
        self.gate.run(&s.normed, Then::Store, &mut s.z)?;
        depthwise(&s.x, grid.rows, grid.columns, &self.taps, &mut s.depthwise, &mut s.u)?;
        silu(&mut s.u)?;
        s.rows.resize(grid.cells() * self.project.width(), 0.0);
        self.project.run(&s.u, Then::Store, &mut s.rows)?;
        cross_scan(&s.u, &s.rows, &self.directions, sweeps, &mut s.scan, &mut s.x)?;
        self.out_norm.run(&s.x, EPS, &mut s.u)?;
        gate(&s.z, &mut s.u)?;
        self.output.run(&s.u, Then::Add, map)
    }
}
