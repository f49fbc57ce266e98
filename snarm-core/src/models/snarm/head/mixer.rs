//! The Mamba mixer: a gated state-space model along a sequence of tokens.
//!
//! x and z are projections of the input; x passes a short causal convolution, chooses its own step, input and output
//! matrices, is scanned, gated by z, and projected back.

use snarm_kernels::causal_conv::{self, causal_conv};
use snarm_kernels::linear::{Panels, Then, linear};
use snarm_kernels::selective_scan::{self, Parameters, Tokens, selective_scan};

use super::CHANNELS;
use super::weights::Fetch;
use crate::error::{Error, Result};

/// Channels inside the mixer.
pub(super) const INNER: usize = 2 * CHANNELS;

/// States of each channel.
pub(super) const STATES: usize = 4;

/// Rank of the projection that makes the step.
pub(super) const RANK: usize = 8;

/// Taps of the causal convolution.
pub(super) const TAPS: usize = causal_conv::TAPS;

/// Elements of a row \[step | B | C\].
const PROJECTED: usize = RANK + 2 * STATES;

/// No bias.
const ZEROS: [f32; INNER] = [0.0; INNER];

/// A Mamba mixer, ready to run.
pub struct Mixer {
    input: Panels,
    gate: Panels,
    /// (4, inner), tap by tap.
    taps: Vec<f32>,
    taps_bias: Vec<f32>,
    project: Panels,
    /// Reads whole projected rows: the weights of B and C are zero.
    step: Panels,
    step_bias: Vec<f32>,
    /// A = -exp(A_log), (states, inner).
    a: Vec<f32>,
    skip: Vec<f32>,
    output: Panels,
}

/// Activations of one call.
#[derive(Default)]
pub struct Workspace {
    input: Vec<f32>,
    x: Vec<f32>,
    z: Vec<f32>,
    projected: Vec<f32>,
    delta: Vec<f32>,
    states: Vec<f32>,
    scanned: Vec<f32>,
    scan: selective_scan::Workspace,
}

impl Mixer {
    /// Takes its tensors from `fetch`, their names starting with `prefix` and a dot.
    ///
    /// # Errors
    /// When `fetch` fails.
    pub fn new(prefix: &str, fetch: &Fetch<'_>) -> Result<Self> {
        let get = |name: &str, shape: &[usize]| fetch(&format!("{prefix}.{name}"), shape);
        let in_proj = get("in_proj.weight", &[2 * INNER, CHANNELS])?;
        let (input, gate) = in_proj.split_at(INNER * CHANNELS);
        let packed = |rows: &[f32]| Panels::from_transposed(rows, INNER, CHANNELS);
        let project = get("x_proj.weight", &[PROJECTED, INNER])?;
        let mut step = vec![0.0; INNER * PROJECTED];
        let narrow = get("dt_proj.weight", &[INNER, RANK])?;
        for (row, narrow) in step.chunks_exact_mut(PROJECTED).zip(narrow.chunks_exact(RANK)) {
            row[..RANK].copy_from_slice(narrow);
        }
        let a_log = get("A_log", &[INNER, STATES])?;
        let output = get("out_proj.weight", &[CHANNELS, INNER])?;
        Ok(Self {
            input: packed(input),
            gate: packed(gate),
            taps: transposed(&get("conv1d.weight", &[INNER, 1, TAPS])?, TAPS),
            taps_bias: get("conv1d.bias", &[INNER])?,
            project: Panels::from_transposed(&project, PROJECTED, INNER),
            step: Panels::from_transposed(&step, INNER, PROJECTED),
            step_bias: get("dt_proj.bias", &[INNER])?,
            a: transposed(&a_log, STATES).iter().map(|v| -f64::from(*v).exp() as f32).collect(),
            skip: get("D", &[INNER])?,
            output: Panels::from_transposed(&output, CHANNELS, INNER),
        })
    }

    /// Mixes sequences of `len` tokens: x, y (sequences * len, 128).
    ///
    /// # Errors
    /// When x is no whole sequences or y has another size.
    pub fn run(&self, x: &[f32], len: usize, w: &mut Workspace, y: &mut [f32]) -> Result<()> {
        let tokens = x.len() / CHANNELS;
        let sequences = tokens / len.max(1);
        if sequences * len * CHANNELS != x.len() {
            let expected = format!("whole sequences of {len} tokens, {CHANNELS} wide");
            return Err(Error::Mismatch { what: "mixer", expected, found: format!("{} values", x.len()) });
        }
        for buffer in [&mut w.input, &mut w.x, &mut w.z, &mut w.delta, &mut w.scanned] {
            buffer.resize(tokens * INNER, 0.0);
        }
        w.projected.resize(tokens * PROJECTED, 0.0);
        w.states.resize(sequences * STATES * INNER, 0.0);
        linear(x, &self.input, &ZEROS, Then::Store, &mut w.input)?;
        linear(x, &self.gate, &ZEROS, Then::Store, &mut w.z)?;
        causal_conv(&w.input, len, &self.taps, &self.taps_bias, &mut w.x)?;
        linear(&w.x, &self.project, &ZEROS[..PROJECTED], Then::Store, &mut w.projected)?;
        linear(&w.projected, &self.step, &ZEROS, Then::Store, &mut w.delta)?;
        let tokens = Tokens { u: &w.x, delta: &w.delta, bc: &w.projected, z: Some(&w.z) };
        let parameters = Parameters { a: &self.a, skip: &self.skip, bias: &self.step_bias };
        selective_scan(&tokens, &parameters, len, &mut w.scan, &mut w.states, &mut w.scanned)?;
        linear(&w.scanned, &self.output, &ZEROS[..CHANNELS], Then::Store, y)?;
        Ok(())
    }
}

/// (rows, columns) -> (columns, rows)
fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| x.iter().skip(column).step_by(columns).copied()).collect()
}
