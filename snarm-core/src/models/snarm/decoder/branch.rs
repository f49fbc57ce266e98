//! One branch of the self-navigated Mamba module, and its four views.
//!
//! Residuals are embedded, then read in four orders through the same two blocks. A block normalises the residual stream,
//! mixes neighbours by a 3 x 3 convolution, and replaces what that says of the hard tokens by what a Mamba mixer makes
//! of the sequence of the hard tokens alone. There is no residual around the mixer: the stream u carries it.
//!
//! From the embedding on, rows lie in the order of the scan: the convolutions see the map transposed, turned, or both.

use std::time::Instant;

use snarm_kernels::add_norm::{Norm, add_norm};
use snarm_kernels::conv3x3::{self, Kernel, conv3x3};
use snarm_kernels::gather::gather;
use snarm_kernels::linear::{Panels, Then, linear};

use super::dilated::DilatedBranch;
use super::mixer::Mixer;
use super::shape::{DEPTH, EPS, ORDERS, Shape};
use super::times::lap;
use super::workspace::Workspace;
use crate::error::Result;
use crate::layers::Source;

/// What the decoder reads of one frame.
#[derive(Debug, Clone, Copy)]
pub struct Residuals<'a> {
    /// Transformed inter-residuals, (tokens, width).
    pub inter: &'a [f32],
    /// Transformed intra-residuals, (tokens, width).
    pub intra: &'a [f32],
    /// The hard tokens, ascending.
    pub hard: &'a [u32],
}

/// What [`super::SnarmDecoder::run_observed`] shows. Rows are as wide as the decoder has channels; "in order" is (orders, tokens), each order in its own
/// sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The embedding, (tokens) as in the map.
    Embedded,
    /// The residual stream u after the addition of that block, in order.
    Stream(usize),
    /// Input of the mixer of that block, (orders, hard tokens).
    MixerIn(usize),
    /// Output of the mixer of that block, (orders, hard tokens).
    MixerOut(usize),
    /// What that block makes, h, in order.
    Hidden(usize),
    /// What the views see, in order.
    Normed,
}

/// Weights of a branch.
pub(super) struct Branch {
    /// For the inter- and for the intra-residuals.
    embed: [Panels; 2],
    embed_bias: Vec<f32>,
    no_bias: Vec<f32>,
    blocks: Vec<Block>,
    norm: (Vec<f32>, Vec<f32>),
    views: Vec<DilatedBranch>,
}

/// Weights of a block.
pub(super) struct Block {
    pub(super) norm: Vec<f32>,
    pub(super) conv: Kernel,
    pub(super) mixer: Mixer,
}

/// The layers of a branch, to be stacked with those of others.
pub(super) struct Layers<'a> {
    /// For the inter- and for the intra-residuals.
    pub(super) embed: &'a [Panels; 2],
    pub(super) embed_bias: &'a [f32],
    pub(super) blocks: &'a [Block],
    /// Weight and bias of the norm before the views.
    pub(super) norm: [&'a [f32]; 2],
    pub(super) views: &'a [DilatedBranch],
}

impl Branch {
    pub(super) fn read(b: usize, sizes: &Shape, source: &Source<'_>) -> Result<Self> {
        let Shape { width, channels: c, .. } = *sizes;
        // A row of the embedding is [inter | intra].
        let embed = source.at("conv_list").at(b);
        let joint = embed.get("weight", &[c, 2 * width, 1, 1])?;
        let half = |first: usize| -> Panels {
            let rows = joint.chunks_exact(2 * width).flat_map(|row| &row[first..first + width]);
            Panels::from_transposed(&rows.copied().collect::<Vec<_>>(), c, width)
                .in_precision(source.precision())
        };
        let (norm, blocks) = (source.at("norm_list").at(b), source.at("mamba_list").at(b));
        Ok(Self {
            embed: [half(0), half(width)],
            embed_bias: embed.get("bias", &[c])?,
            no_bias: vec![0.0; c],
            blocks: (0..DEPTH).map(|layer| Block::read(sizes, &blocks.at(layer))).collect::<Result<_>>()?,
            norm: (norm.get("weight", &[c])?, norm.get("bias", &[c])?),
            views: (0..ORDERS)
                .map(|order| DilatedBranch::read(b, order, sizes, source))
                .collect::<Result<_>>()?,
        })
    }

    pub(super) fn layers(&self) -> Layers<'_> {
        let Self { embed, embed_bias, blocks, norm, views, .. } = self;
        Layers { embed, embed_bias, blocks, norm: [&norm.0, &norm.1], views }
    }

    /// Leaves what the views see in the workspace.
    pub(super) fn run(
        &self,
        residuals: &Residuals<'_>,
        w: &mut Workspace,
        observe: &mut dyn FnMut(Stage, &[f32]),
    ) -> Result<()> {
        let mut start = Instant::now();
        linear(residuals.inter, &self.embed[0], &self.embed_bias, Then::Store, &mut w.embedded)?;
        linear(residuals.intra, &self.embed[1], &self.no_bias, Then::Add, &mut w.embedded)?;
        observe(Stage::Embedded, &w.embedded);
        gather(&w.embedded, w.channels, w.places.orders(), &mut w.stream)?;
        lap(&mut start, &mut w.times.embed);
        for (layer, block) in self.blocks.iter().enumerate() {
            block.run(layer, w, observe)?;
        }
        let mut start = Instant::now();
        let norm = Norm::Layer { weight: &self.norm.0, bias: &self.norm.1 };
        add_norm(Some((&w.hidden).into()), &mut w.stream, norm, EPS, &mut w.normed)?;
        lap(&mut start, &mut w.times.convolve);
        observe(Stage::Normed, &w.normed);
        Ok(())
    }

    /// Lets the views of branch number `b` write their logits.
    pub(super) fn write_logits(&self, b: usize, w: &mut Workspace) -> Result<()> {
        for (order, view) in self.views.iter().enumerate() {
            view.run(b * ORDERS + order, order, w)?;
        }
        Ok(())
    }
}

impl Block {
    fn read(sizes: &Shape, source: &Source<'_>) -> Result<Self> {
        let (c, conv) = (sizes.channels, source.at("conv"));
        let weight = conv.get("weight", &[c, c, conv3x3::SIDE, conv3x3::SIDE])?;
        Ok(Self {
            norm: source.at("norm").get("weight", &[c])?,
            conv: Kernel::new(&weight, conv.get("bias", &[c])?)?.in_precision(source.precision()),
            mixer: Mixer::read(sizes, &source.at("mixer"))?,
        })
    }

    fn run(&self, layer: usize, w: &mut Workspace, observe: &mut dyn FnMut(Stage, &[f32])) -> Result<()> {
        let mut start = Instant::now();
        let h = (layer > 0).then_some((&w.hidden).into());
        add_norm(h, &mut w.stream, Norm::Rms { weight: &self.norm }, EPS, &mut w.normed)?;
        observe(Stage::Stream(layer), &w.stream);
        // Orders whose maps have one shape go at once: all of a square, else each by itself.
        let maps = if w.grid == w.grid.transposed() { ORDERS } else { 1 };
        let len = maps * w.embedded.len();
        for order in (0..ORDERS).step_by(maps) {
            let (shape, first) = (w.shape(order), order * w.embedded.len());
            let lie = first..first + len;
            let (seen, made) = (&w.normed[lie.clone()], &mut w.hidden[lie]);
            conv3x3(seen, shape, &self.conv, 1, conv3x3::Then::Store, &mut w.conv, made)?;
        }
        lap(&mut start, &mut w.times.convolve);

        let (hard, channels) = (w.places.hard(), w.channels);
        w.mixer_in.resize(hard.len() * channels, 0.0);
        w.mixer_out.resize(hard.len() * channels, 0.0);
        gather(&w.hidden, channels, hard, &mut w.mixer_in)?;
        observe(Stage::MixerIn(layer), &w.mixer_in);
        self.mixer.run(&w.mixer_in, hard.len() / ORDERS, &mut w.mixer, &mut w.mixer_out)?;
        observe(Stage::MixerOut(layer), &w.mixer_out);
        gather(&w.mixer_out, channels, w.places.mixed(), &mut w.hidden)?;
        lap(&mut start, &mut w.times.mix);
        observe(Stage::Hidden(layer), &w.hidden);
        Ok(())
    }
}
