//! The block of convolutional networks: attention among all cells where it has one, then a filter of the neighbourhood
//! and an MLP.

use snarm_kernels::attention::{self, attention};
use snarm_kernels::depthwise::{self, Kernel, depthwise};
use snarm_kernels::device::{Buffer, BufferViewMut, Place};
use snarm_kernels::linear::Then;
use snarm_kernels::mlp;

use super::{Linear, Norm, Source, add_mlp};
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
    filtered: Buffer,
    /// What attention reads, and what it leaves.
    normed: Buffer,
    qkv: Buffer,
    depthwise: depthwise::Workspace,
    attention: attention::Workspace,
    mlp: mlp::Workspace,
}

impl Scratch {
    /// For blocks at a place.
    pub(crate) fn at(place: &Place) -> Result<Self> {
        let products = || Buffer::of_products(place, 0);
        let filtered = Buffer::new(place, 0)?;
        let mlp = mlp::Workspace::at(place)?;
        Ok(Self { filtered, normed: products()?, qkv: products()?, mlp, ..Self::default() })
    }
}

impl Block {
    /// A copy of the block at another place.
    pub(crate) fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self {
            attention: self.attention.as_ref().map(|attention| attention.at(place)).transpose()?,
            depthwise: self.depthwise.clone().at(place)?,
            norm: self.norm.at(place)?,
            fc1: self.fc1.at(place)?,
            fc2: self.fc2.at(place)?,
        })
    }

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
    pub(crate) fn run<'a>(
        &self,
        x: impl Into<BufferViewMut<'a>>,
        height: usize,
        width: usize,
        s: &mut Scratch,
    ) -> Result<()> {
        let mut x = x.into();
        s.filtered.resize(x.len())?;
        if let Some(attention) = &self.attention {
            attention.run(x.reborrow(), height * width, s)?;
        }
        depthwise(x.view(), height, width, &self.depthwise, &mut s.depthwise, &mut s.filtered)?;
        add_mlp(&s.filtered, &self.norm, EPS, [&self.fc1, &self.fc2], &mut s.mlp, x)
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

    fn at(&self, place: &Place) -> Result<Self> {
        let (norm, qkv, proj) = (self.norm.at(place)?, self.qkv.at(place)?, self.proj.at(place)?);
        Ok(Self { heads: self.heads, norm, qkv, proj })
    }

    fn run(&self, x: BufferViewMut<'_>, cells: usize, s: &mut Scratch) -> Result<()> {
        s.normed.resize(x.len())?;
        s.qkv.resize(3 * x.len())?;
        self.norm.run(x.view(), EPS, &mut s.normed)?;
        self.qkv.run(&s.normed, Then::Store, &mut s.qkv)?;
        attention(&s.qkv, cells, self.heads, &mut s.attention, &mut s.normed)?;
        self.proj.run(&s.normed, Then::Add, x)
    }
}
