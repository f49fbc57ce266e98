//! A vision transformer ready to run: weights packed once, layer scale folded into the projections before it.

use snarm_kernels::Grid;
use snarm_kernels::attention::{self, attention};
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::linear::Then;
use snarm_kernels::patches::patches;

use super::position::interpolate;
use super::transformer::Transformer;
use crate::error::{Error, Result};
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
    /// What every sequence starts from: class and register tokens, (tokens, dim).
    extra: Vec<f32>,
    /// Position embeddings as the file has them, (table * table, dim).
    positions: Vec<f32>,
    blocks: Vec<Block>,
}

/// Activations of one image.
#[derive(Default)]
pub(crate) struct Activations {
    patches: Buffer,
    tokens: Buffer,
    normed: Buffer,
    wide: Buffer,
    attended: Buffer,
    attention: attention::Workspace,
}

impl Activations {
    /// For a network at a place.
    pub(super) fn at(place: &Place) -> Result<Self> {
        let (tokens, products) = (Buffer::new(place, 0)?, || Buffer::of_products(place, 0));
        let (patches, normed, wide, attended) = (products()?, products()?, products()?, products()?);
        Ok(Self { patches, tokens, normed, wide, attended, ..Self::default() })
    }
}

/// What an error says of a buffer that is shorter than it was made.
const TOKENS: &str = "tokens of a transformer";

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

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        let blocks = self.blocks.iter().map(|block| block.at(place)).collect::<Result<_>>()?;
        let (extra, positions) = (self.extra.clone(), self.positions.clone());
        Ok(Self {
            sizes: self.sizes.clone(),
            patch_embed: self.patch_embed.at(place)?,
            extra,
            positions,
            blocks,
        })
    }

    /// Sizes and constants.
    pub(crate) fn sizes(&self) -> &Transformer {
        &self.sizes
    }

    /// The tokens of an image of `size` before its patches are added, (tokens, dim).
    pub(crate) fn start(&self, size: Grid) -> Vec<f32> {
        let Transformer { table, dim, positions, .. } = self.sizes;
        let places = interpolate(&self.positions, table, self.sizes.patches(size), dim, positions);
        [&self.extra[..], &places].concat()
    }

    /// Numbers in the large buffers of a run.
    pub(super) fn activations(&self, size: Grid) -> usize {
        let sizes = self.sizes();
        3 * size.cells() + sizes.tokens(size) * (3 * sizes.dim + sizes.hidden.max(3 * sizes.dim))
    }

    /// Runs the network on a normalised image (3, side, side), from the tokens `start`. `observe` sees all tokens (tokens, dim) before the
    /// first block, as number 0, and after each block, as numbers from 1.
    pub(crate) fn forward(
        &self,
        image: BufferView<'_>,
        size: Grid,
        start: &Buffer,
        a: &mut Activations,
        observe: &mut dyn FnMut(usize, BufferView<'_>) -> Result<()>,
    ) -> Result<()> {
        let sizes = &self.sizes;
        let (d, n, p) = (sizes.dim, sizes.tokens(size), sizes.patch);
        a.patches.resize(sizes.patches(size).cells() * 3 * p * p)?;
        patches(image, size, p, &mut a.patches)?;
        a.tokens.copy(start)?;
        let own = sizes.extra_tokens() * d..n * d;
        let tokens = a.tokens.view_mut().part(own).ok_or_else(|| too_short(n * d, start.len()))?;
        self.patch_embed.run(&a.patches, Then::Add, tokens)?;
        observe(0, a.tokens.view())?;
        a.normed.resize(n * d)?;
        a.attended.resize(n * d)?;
        a.wide.resize(n * sizes.hidden.max(3 * d))?;
        for (i, block) in self.blocks.iter().enumerate() {
            block.forward(sizes, n, a)?;
            observe(i + 1, a.tokens.view())?;
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

    /// A copy at another place.
    fn at(&self, place: &Place) -> Result<Self> {
        let Self { norm1, qkv, proj, norm2, fc1, fc2 } = self;
        let (norm1, norm2) = (norm1.at(place)?, norm2.at(place)?);
        let [qkv, proj, fc1, fc2] = [qkv, proj, fc1, fc2].map(|layer| layer.at(place));
        Ok(Self { norm1, qkv: qkv?, proj: proj?, norm2, fc1: fc1?, fc2: fc2? })
    }

    fn forward(&self, sizes: &Transformer, n: usize, a: &mut Activations) -> Result<()> {
        let (d, eps, wide) = (sizes.dim, sizes.eps, a.wide.len());
        let short = |len: usize| move || too_short(len, wide);
        let mut qkv = a.wide.view_mut().part(0..n * 3 * d).ok_or_else(short(n * 3 * d))?;
        self.norm1.run(&a.tokens, eps, &mut a.normed)?;
        self.qkv.run(&a.normed, Then::Store, qkv.reborrow())?;
        attention(qkv.view(), n, sizes.heads, &mut a.attention, &mut a.attended)?;
        self.proj.run(&a.attended, Then::Add, &mut a.tokens)?;

        let mut hidden = a.wide.view_mut().part(0..n * sizes.hidden).ok_or_else(short(n * sizes.hidden))?;
        self.norm2.run(&a.tokens, eps, &mut a.normed)?;
        self.fc1.run(&a.normed, Then::Gelu, hidden.reborrow())?;
        self.fc2.run(hidden.view(), Then::Add, &mut a.tokens)
    }
}

fn too_short(expected: usize, found: usize) -> Error {
    Error::Values { what: TOKENS, expected: format!("{expected} values"), found: found.to_string() }
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
