//! The Mamba mixers of all branches, all sequences at once.

use snarm_kernels::causal_conv::causal_conv_in_turns;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::linear::{Panels, Stack, Then, linear_in_turns};
use snarm_kernels::selective_scan::{self, Parameters, Tokens, selective_scan_in_turns};

use super::super::mixer::Mixer;
use super::super::shape::{STATES, Shape};
use crate::error::Result;

/// Mixers that take turns among sequences.
pub(super) struct Mixers {
    sizes: Shape,
    /// No bias, for the widest of the projections of all.
    zeros: Buffer,
    input: Stack,
    gate: Stack,
    taps: Buffer,
    taps_bias: Buffer,
    /// From x to the step in one product, (inner, inner): what [`Mixer`] does in two.
    step: Stack,
    /// From x to B and C.
    bc: Stack,
    step_bias: Buffer,
    a: Buffer,
    skip: Buffer,
    output: Stack,
    scratch: Scratch,
}

/// Activations of one frame.
struct Scratch {
    input: Buffer,
    x: Buffer,
    z: Buffer,
    delta: Buffer,
    bc: Buffer,
    states: Buffer,
    scanned: Buffer,
    /// Only the host's scan needs it.
    scan: selective_scan::Workspace,
}

/// The layers of all branches, one after the other, at a place.
pub(super) fn joined<'a>(place: &Place, layers: impl Iterator<Item = &'a [f32]>) -> Result<Buffer> {
    Ok(Buffer::of(place, &layers.flatten().copied().collect::<Vec<f32>>())?)
}

impl Mixers {
    pub(super) fn new(place: &Place, sizes: &Shape, mixers: &[&Mixer]) -> Result<Self> {
        let inner = sizes.inner();
        let stack = |of: &dyn Fn(&Mixer) -> Panels| -> Result<Stack> {
            let panels: Vec<Panels> = mixers.iter().map(|mixer| of(mixer)).collect();
            Ok(Stack::new(place, &panels.iter().collect::<Vec<_>>())?)
        };
        let all = |of: fn(&Mixer) -> &Vec<f32>| joined(place, mixers.iter().map(|mixer| &of(mixer)[..]));
        let floats = || Buffer::new(place, 0);
        let products = || Buffer::of_products(place, 0);
        Ok(Self {
            sizes: *sizes,
            zeros: Buffer::new(place, mixers.len() * inner.max(2 * STATES))?,
            input: stack(&|mixer| mixer.input.clone())?,
            gate: stack(&|mixer| mixer.gate.clone())?,
            taps: all(|mixer| &mixer.taps)?,
            taps_bias: all(|mixer| &mixer.taps_bias)?,
            step: stack(&|mixer| Panels::from_transposed(&step(mixer, sizes), inner, inner))?,
            bc: stack(&|mixer| {
                let rows = mixer.project.to_transposed();
                Panels::from_transposed(&rows[sizes.rank() * inner..], 2 * STATES, inner)
            })?,
            step_bias: all(|mixer| &mixer.step_bias)?,
            a: all(|mixer| &mixer.a)?,
            skip: all(|mixer| &mixer.skip)?,
            output: stack(&|mixer| mixer.output.clone())?,
            scratch: Scratch {
                input: floats()?,
                x: products()?,
                z: floats()?,
                delta: floats()?,
                bc: floats()?,
                states: floats()?,
                scanned: products()?,
                scan: selective_scan::Workspace::default(),
            },
        })
    }

    /// Mixes sequences of `len` tokens: x, y (sequences * len, channels).
    pub(super) fn run(&mut self, x: &Buffer, len: usize, y: &mut Buffer) -> Result<()> {
        let Self { sizes, scratch: s, .. } = self;
        let (channels, inner, branches) = (sizes.channels, sizes.inner(), sizes.branches);
        let tokens = x.len() / channels;
        for buffer in [&mut s.input, &mut s.x, &mut s.z, &mut s.delta, &mut s.scanned] {
            buffer.resize(tokens * inner)?;
        }
        s.bc.resize(tokens * 2 * STATES)?;
        s.states.resize(tokens / len.max(1) * STATES * inner)?;
        let zeros = |n: usize| self.zeros.view().part(0..branches * n).unwrap_or(self.zeros.view());
        linear_in_turns(x, len, &self.input, zeros(inner), Then::Store, &mut s.input)?;
        linear_in_turns(x, len, &self.gate, zeros(inner), Then::Store, &mut s.z)?;
        causal_conv_in_turns(&s.input, [len, inner], &self.taps, &self.taps_bias, &mut s.x)?;
        linear_in_turns(&s.x, len, &self.step, zeros(inner), Then::Store, &mut s.delta)?;
        linear_in_turns(&s.x, len, &self.bc, zeros(2 * STATES), Then::Store, &mut s.bc)?;
        let tokens = Tokens { u: &s.x, delta: &s.delta, bc: &s.bc, z: Some(&s.z) };
        let parameters = Parameters { a: &self.a, skip: &self.skip, bias: &self.step_bias };
        let of = [len, inner];
        selective_scan_in_turns(tokens, parameters, of, &mut s.scan, &mut s.states, &mut s.scanned)?;
        linear_in_turns(&s.scanned, len, &self.output, zeros(channels), Then::Store, y)?;
        Ok(())
    }
}

/// The product of the two projections that make the step, (inner, inner).
fn step(mixer: &Mixer, sizes: &Shape) -> Vec<f32> {
    let (inner, rank, projected) = (sizes.inner(), sizes.rank(), sizes.projected());
    let (narrow, wide) = (mixer.project.to_transposed(), mixer.step.to_transposed());
    let mut rows = vec![0.0; inner * inner];
    for (row, wide) in rows.chunks_exact_mut(inner).zip(wide.chunks_exact(projected)) {
        for (column, value) in row.iter_mut().enumerate() {
            let terms = wide[..rank].iter().zip(narrow[column..].iter().step_by(inner));
            *value = terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32;
        }
    }
    rows
}
