//! The Mamba mixer: a gated state-space model along a sequence of tokens.
//!
//! x and z are projections of the input; x passes a short causal convolution, chooses its own step, input and output
//! matrices, is scanned, gated by z, and projected back.

use snarm_kernels::causal_conv::causal_conv;
use snarm_kernels::linear::{Panels, Then, linear};
use snarm_kernels::selective_scan::{self, Parameters, Tokens, selective_scan};

use super::shape::{STATES, Shape, TAPS};
use super::weights::Fetch;

use crate::error::{Error, Result};
use crate::layers::{Made, Source};

/// A Mamba mixer, ready to run.
pub struct Mixer {
    sizes: Shape,
    /// No bias, for the widest of the projections.
    zeros: Vec<f32>,
    pub(super) input: Panels,
    pub(super) gate: Panels,
    /// (4, inner), tap by tap.
    pub(super) taps: Vec<f32>,
    pub(super) taps_bias: Vec<f32>,
    pub(super) project: Panels,
    /// Reads whole projected rows: the weights of B and C are zero.
    pub(super) step: Panels,
    pub(super) step_bias: Vec<f32>,
    /// A = -exp(A_log), (states, inner).
    pub(super) a: Vec<f32>,
    pub(super) skip: Vec<f32>,
    pub(super) output: Panels,
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
    /// When `fetch` fails or gives another number of elements.
    pub fn new(prefix: &str, sizes: &Shape, fetch: &Fetch<'_>) -> Result<Self> {
        Self::read(sizes, &Source::new("mixer", &Made(fetch)).at(prefix))
    }

    /// Reads its tensors.
    pub(super) fn read(sizes: &Shape, source: &Source<'_>) -> Result<Self> {
        let (channels, inner, rank, projected) =
            (sizes.channels, sizes.inner(), sizes.rank(), sizes.projected());
        let get = |name: &str, shape: &[usize]| source.get(name, shape);
        let in_proj = get("in_proj.weight", &[2 * inner, channels])?;
        let (input, gate) = in_proj.split_at(inner * channels);
        let packed = |rows: &[f32], outputs: usize, width: usize| {
            Panels::from_transposed(rows, outputs, width).in_precision(source.precision())
        };
        let project = get("x_proj.weight", &[projected, inner])?;
        let mut step = vec![0.0; inner * projected];
        let narrow = get("dt_proj.weight", &[inner, rank])?;
        for (row, narrow) in step.chunks_exact_mut(projected).zip(narrow.chunks_exact(rank)) {
            row[..rank].copy_from_slice(narrow);
        }
        let a_log = get("A_log", &[inner, STATES])?;
        let output = get("out_proj.weight", &[channels, inner])?;
        Ok(Self {
            sizes: *sizes,
            zeros: vec![0.0; inner.max(projected)],
            input: packed(input, inner, channels),
            gate: packed(gate, inner, channels),
            taps: transposed(&get("conv1d.weight", &[inner, 1, TAPS])?, TAPS),
            taps_bias: get("conv1d.bias", &[inner])?,
            project: packed(&project, projected, inner),
            step: packed(&step, inner, projected),
            step_bias: get("dt_proj.bias", &[inner])?,
            a: transposed(&a_log, STATES).iter().map(|v| -f64::from(*v).exp() as f32).collect(),
            skip: get("D", &[inner])?,
            output: packed(&output, channels, inner),
        })
    }

    /// Mixes sequences of `len` tokens: x, y (sequences * len, channels).
    ///
    /// # Errors
    /// When x is no whole sequences or y has another size.
    pub fn run(&self, x: &[f32], len: usize, w: &mut Workspace, y: &mut [f32]) -> Result<()> {
        let (channels, inner, projected) = (self.sizes.channels, self.sizes.inner(), self.sizes.projected());
        let tokens = x.len() / channels;
        let sequences = tokens / len.max(1);
        if sequences * len * channels != x.len() {
            let expected = format!("whole sequences of {len} tokens, {channels} wide");
            return Err(Error::Values { what: "mixer", expected, found: format!("{} values", x.len()) });
        }
        for buffer in [&mut w.input, &mut w.x, &mut w.z, &mut w.delta, &mut w.scanned] {
            buffer.resize(tokens * inner, 0.0);
        }
        w.projected.resize(tokens * projected, 0.0);
        w.states.resize(sequences * STATES * inner, 0.0);
        linear(x, &self.input, &self.zeros[..inner], Then::Store, &mut w.input)?;
        linear(x, &self.gate, &self.zeros[..inner], Then::Store, &mut w.z)?;
        causal_conv(&w.input, len, &self.taps, &self.taps_bias, &mut w.x)?;
        linear(&w.x, &self.project, &self.zeros[..projected], Then::Store, &mut w.projected)?;
        linear(&w.projected, &self.step, &self.zeros[..inner], Then::Store, &mut w.delta)?;
        let tokens = Tokens { u: &w.x, delta: &w.delta, bc: &w.projected, z: Some(&w.z) };
        let parameters = Parameters { a: &self.a, skip: &self.skip, bias: &self.step_bias };
        selective_scan(tokens, parameters, len, &mut w.scan, &mut w.states, &mut w.scanned)?;
        linear(&w.scanned, &self.output, &self.zeros[..channels], Then::Store, y)?;
        Ok(())
    }
}

/// (rows, columns) -> (columns, rows)
fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| x.iter().skip(column).step_by(columns).copied()).collect()
}
