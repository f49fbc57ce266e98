//! A vision transformer ready to run: weights packed once, layer scale folded into the projections before it.

use snarm_kernels::Grid;
use snarm_kernels::attention::{self, attention};
use snarm_kernels::linear::Then;
use snarm_kernels::patches::patches;

use super::position::interpolate;
use super::transformer::Transformer;
use crate::error::Result;
use crate::layers::{Linear, Norm, Source};

/// x += proj(attention(norm1(x))); x += fc2(gelu(fc1(norm2(x))))
struct Block {
    norm1: Norm,
    qkv: Linear,
    proj: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

/// The network up to the last block that is used.
pub(crate) struct Vit {
    sizes: Transformer,
    patch_embed: Linear,
    /// What every sequence starts from: class token and registers, then the position of each patch. (tokens, dim)
    /// Class and register tokens.
    extra: Vec<f32>,
    /// Position embeddings as the file has them, (table * table, dim).
    positions: Vec<f32>,
    blocks: Vec<Block>,
}

/// Activations of one image.
#[derive(Default)]
pub(crate) struct Activations {
    patches: Vec<f32>,
    tokens: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    attended: Vec<f32>,
    attention: attention::Workspace,
}

impl Vit {
    /// Reads the tensors of a network of these sizes, by their torch-hub names.
    pub(crate) fn read(sizes: &Transformer, source: &Source<'_>) -> Result<Self> {
        let (d, p) = (sizes.dim, sizes.patch);
        let patch_embed = Linear::read(&source.at("patch_embed").at("proj"), d, &[3, p, p])?;
        let blocks = (0..sizes.blocks_used()).map(|i| Block::read(sizes, &source.at("blocks").at(i)));
        let blocks = blocks.collect::<Result<_>>()?;
        let (extra, positions) = starting_tokens(sizes, source)?;
        Ok(Self { sizes: sizes.clone(), patch_embed, extra, positions, blocks })
    }

    /// Sizes and constants.
    pub(crate) fn sizes(&self) -> &Transformer {
        &self.sizes
    }

    /// Numbers in the large buffers of a run.
    /// The tokens of an image of `size` before its patches are added, (tokens, dim).
    pub(crate) fn start(&self, size: Grid) -> Vec<f32> {
        let Transformer { table, dim, positions, .. } = self.sizes;
        let places = interpolate(&self.positions, table, self.sizes.patches(size), dim, positions);
        [&self.extra[..], &places].concat()
    }

    pub(super) fn activations(&self, size: Grid) -> usize {
        let sizes = self.sizes();
        3 * size.cells() + sizes.tokens(size) * (3 * sizes.dim + sizes.hidden.max(3 * sizes.dim))
    }

    /// Runs the network on a normalised image (3, side, side). `observe` sees all tokens (tokens, dim) before the
    /// first block, as number 0, and after each block, as numbers from 1.
    pub(crate) fn forward(
        &self,
        image: &[f32],
        size: Grid,
        start: &[f32],
        a: &mut Activations,
        observe: &mut dyn FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let sizes = &self.sizes;
        let (d, n, p) = (sizes.dim, sizes.tokens(size), sizes.patch);
        a.patches.resize(sizes.patches(size).cells() * 3 * p * p, 0.0);
        patches(image, size, p, &mut a.patches)?;
        a.tokens.clear();
        a.tokens.extend_from_slice(start);
        self.patch_embed.run(&a.patches, Then::Add, &mut a.tokens[sizes.extra_tokens() * d..])?;
        observe(0, &a.tokens)?;
        a.normed.resize(n * d, 0.0);
        a.attended.resize(n * d, 0.0);
        a.wide.resize(n * sizes.hidden.max(3 * d), 0.0);
        for (i, block) in self.blocks.iter().enumerate() {
            block.forward(sizes, n, a)?;
            observe(i + 1, &a.tokens)?;
        }
        Ok(())
    }
}

impl Block {
    fn read(sizes: &Transformer, source: &Source<'_>) -> Result<Self> {
        let (d, hidden) = (sizes.dim, sizes.hidden);
        // Layer scale multiplies the output of a projection: it is folded into it.
        let scale = |part: &str| source.at(part).find("gamma", &[d]);
        let (attention, mlp) = (source.at("attn"), source.at("mlp"));
        Ok(Self {
            norm1: Norm::read(&source.at("norm1"), d)?,
            qkv: Linear::read(&attention.at("qkv"), 3 * d, &[d])?,
            proj: Linear::read_scaled(&attention.at("proj"), d, &[d], scale("ls1")?)?,
            norm2: Norm::read(&source.at("norm2"), d)?,
            fc1: Linear::read(&mlp.at("fc1"), hidden, &[d])?,
            fc2: Linear::read_scaled(&mlp.at("fc2"), d, &[hidden], scale("ls2")?)?,
        })
    }

    fn forward(&self, sizes: &Transformer, n: usize, a: &mut Activations) -> Result<()> {
        let (d, eps) = (sizes.dim, sizes.eps);
        let qkv = &mut a.wide[..n * 3 * d];
        self.norm1.run(&a.tokens, eps, &mut a.normed)?;
        self.qkv.run(&a.normed, Then::Store, &mut *qkv)?;
        attention(qkv, n, sizes.heads, &mut a.attention, &mut a.attended)?;
        self.proj.run(&a.attended, Then::Add, &mut a.tokens)?;

        let hidden = &mut a.wide[..n * sizes.hidden];
        self.norm2.run(&a.tokens, eps, &mut a.normed)?;
        self.fc1.run(&a.normed, Then::Gelu, &mut *hidden)?;
        self.fc2.run(&*hidden, Then::Add, &mut a.tokens)
    }
}

/// Class token plus its position, registers without one, and the interpolated positions of the patches.
fn starting_tokens(sizes: &Transformer, source: &Source<'_>) -> Result<(Vec<f32>, Vec<f32>)> {
    let (d, table) = (sizes.dim, sizes.table);
    let mut start = source.get("cls_token", &[1, 1, d])?;
    let positions = source.get("pos_embed", &[1, table * table + 1, d])?;
    let (class, grid) = positions.split_at(d);
    start.iter_mut().zip(class).for_each(|(token, position)| *token += position);
    if sizes.registers > 0 {
        start.extend(source.get("register_tokens", &[1, sizes.registers, d])?);
    }
    Ok((start, grid.to_vec()))
}
