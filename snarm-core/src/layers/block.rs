//! The block of convolutional networks: attention among all cells where it has one, then a filter of the neighbourhood
//! and an MLP.

use snarm_kernels::attention::{self, attention};
use snarm_kernels::depthwise::{self, Kernel, depthwise};
use snarm_kernels::linear::Then;

use super::{Linear, Norm, Source};
use crate::error::Result;

/// Epsilon of the layer norms.
pub(crate) const EPS: f32 = 1e-6;

/// Hidden channels of a block for each of its own.
pub(crate) const EXPANSION: usize = 4;

/// Channels of an attention head.
pub(crate) const HEAD: usize = 64;

/// x += proj(attention(qkv(norm(x)))), where it attends; x += fc2(gelu(fc1(norm(depthwise(x))))).
pub(crate) struct Block {
    attention: Option<Attention>,
    depthwise: Kernel,
    norm: Norm,
    fc1: Linear,
    fc2: Linear,
}

/// The part that sees all cells.
struct Attention {
    heads: usize,
    norm: Norm,
    qkv: Linear,
    proj: Linear,
}

/// Activations between the layers of a block: they grow at the first run and are kept.
#[derive(Default)]
pub(crate) struct Scratch {
    filtered: Vec<f32>,
    normed: Vec<f32>,
    hidden: Vec<f32>,
    depthwise: depthwise::Workspace,
    attention: attention::Workspace,
}

impl Block {
    /// Reads `depthwise` (c, k, k), `norm`, `fc1` and `fc2`; of a block that attends also `attn.{norm,qkv,proj}`.
    pub(crate) fn read(source: &Source<'_>, c: usize, k: usize, attends: bool) -> Result<Self> {
        let taps = source.at("depthwise");
        Ok(Self {
            attention: attends.then(|| Attention::read(&source.at("attn"), c)).transpose()?,
            depthwise: Kernel::new(&taps.get("weight", &[c, k, k])?, taps.get("bias", &[c])?)?,
            norm: Norm::read(&source.at("norm"), c)?,
            fc1: Linear::read(&source.at("fc1"), EXPANSION * c, &[c])?,
            fc2: Linear::read(&source.at("fc2"), c, &[EXPANSION * c])?,
        })
    }

    /// Cells x (height * width, c), changed in place.
    pub(crate) fn run(&self, x: &mut [f32], height: usize, width: usize, s: &mut Scratch) -> Result<()> {
        s.filtered.resize(x.len(), 0.0);
        s.normed.resize(x.len(), 0.0);
        s.hidden.resize(EXPANSION * x.len(), 0.0);
        if let Some(attention) = &self.attention {
            attention.run(x, height * width, s)?;
        }
        depthwise(x, height, width, &self.depthwise, &mut s.depthwise, &mut s.filtered)?;
        self.norm.run(&s.filtered, EPS, &mut s.normed)?;
        self.fc1.run(&s.normed, Then::Gelu, &mut s.hidden)?;
        self.fc2.run(&s.hidden, Then::Add, x)
    }
}

impl Attention {
    fn read(source: &Source<'_>, c: usize) -> Result<Self> {
        Ok(Self {
            heads: c / HEAD,
            norm: Norm::read(&source.at("norm"), c)?,
            qkv: Linear::read(&source.at("qkv"), 3 * c, &[c])?,
            proj: Linear::read(&source.at("proj"), c, &[c])?,
        })
    }

    fn run(&self, x: &mut [f32], cells: usize, s: &mut Scratch) -> Result<()> {
        let qkv = &mut s.hidden[..3 * x.len()];
        self.norm.run(x, EPS, &mut s.normed)?;
        self.qkv.run(&s.normed, Then::Store, qkv)?;
        attention(qkv, cells, self.heads, &mut s.attention, &mut s.filtered)?;
        self.proj.run(&s.filtered, Then::Add, x)
    }
}
