//! A vision transformer ready to run: weights packed once, layer scale folded into the projections before it.

use snarm_kernels::attention::{self, attention};
use snarm_kernels::layer_norm::layer_norm;
use snarm_kernels::linear::{Panels, Then, linear};

use super::config::Config;
use super::head::need;
use super::position::interpolate;
use crate::error::Result;

/// Hands out the tensor of a torch-hub name, checked against a shape; `None` where the network has none.
pub(crate) type Fetch<'a> = dyn Fn(&str, &[usize]) -> Result<Option<Vec<f32>>> + 'a;

/// As [`Fetch`], for tensors that every network has.
type Need<'a> = dyn Fn(&str, &[usize]) -> Result<Vec<f32>> + 'a;

/// A linear layer.
pub(super) struct Linear {
    pub(super) weight: Panels,
    pub(super) bias: Vec<f32>,
}

/// A layer norm.
pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

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
    patch_embed: Linear,
    /// What every sequence starts from: class token and registers, then the position of each patch. (tokens, dim)
    start: Vec<f32>,
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
    /// Takes the tensors it needs from `fetch`.
    pub(crate) fn new(config: &Config, fetch: &Fetch<'_>) -> Result<Self> {
        let need = |name: &str, shape: &[usize]| need(name, shape, fetch);
        let (d, p) = (config.dim, config.patch);
        let patch_embed = Linear {
            weight: Panels::from_transposed(&need("patch_embed.proj.weight", &[d, 3, p, p])?, d, 3 * p * p),
            bias: need("patch_embed.proj.bias", &[d])?,
        };
        let blocks =
            (0..config.blocks_used()).map(|i| Block::new(i, config, fetch, &need)).collect::<Result<_>>()?;
        Ok(Self { patch_embed, start: starting_tokens(config, fetch, &need)?, blocks })
    }

    /// Runs the network on a normalised image (3, side, side). `observe` sees all tokens (tokens, dim) before the
    /// first block, as number 0, and after each block, as numbers from 1.
    pub(crate) fn forward(
        &self,
        config: &Config,
        image: &[f32],
        a: &mut Activations,
        observe: &mut dyn FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<()> {
        let (d, n) = (config.dim, config.tokens());
        gather_patches(image, config.side, config.patch, &mut a.patches);
        a.tokens.clear();
        a.tokens.extend_from_slice(&self.start);
        let patch_tokens = &mut a.tokens[config.extra_tokens() * d..];
        linear(&a.patches, &self.patch_embed.weight, &self.patch_embed.bias, Then::Add, patch_tokens)?;
        observe(0, &a.tokens)?;
        a.normed.resize(n * d, 0.0);
        a.attended.resize(n * d, 0.0);
        a.wide.resize(n * config.hidden.max(3 * d), 0.0);
        for (i, block) in self.blocks.iter().enumerate() {
            block.forward(config, a)?;
            observe(i + 1, &a.tokens)?;
        }
        Ok(())
    }
}

impl Block {
    fn new(i: usize, config: &Config, fetch: &Fetch<'_>, need: &Need<'_>) -> Result<Self> {
        let (d, hidden) = (config.dim, config.hidden);
        let name = |part: &str| format!("blocks.{i}.{part}");
        let norm = |part: &str| -> Result<Norm> {
            Ok(Norm {
                weight: need(&name(&format!("{part}.weight")), &[d])?,
                bias: need(&name(&format!("{part}.bias")), &[d])?,
            })
        };
        // Layer scale multiplies the output of a projection: it is folded into its rows and its bias.
        let layer = |part: &str, out: usize, k: usize, scale: Option<Vec<f32>>| -> Result<Linear> {
            let mut weight = need(&name(&format!("{part}.weight")), &[out, k])?;
            let mut bias = need(&name(&format!("{part}.bias")), &[out])?;
            if let Some(scale) = scale {
                for ((row, bias), scale) in weight.chunks_exact_mut(k).zip(&mut bias).zip(scale) {
                    row.iter_mut().for_each(|w| *w *= scale);
                    *bias *= scale;
                }
            }
            Ok(Linear { weight: Panels::from_transposed(&weight, out, k), bias })
        };
        Ok(Self {
            norm1: norm("norm1")?,
            qkv: layer("attn.qkv", 3 * d, d, None)?,
            proj: layer("attn.proj", d, d, fetch(&name("ls1.gamma"), &[d])?)?,
            norm2: norm("norm2")?,
            fc1: layer("mlp.fc1", hidden, d, None)?,
            fc2: layer("mlp.fc2", d, hidden, fetch(&name("ls2.gamma"), &[d])?)?,
        })
    }

    fn forward(&self, config: &Config, a: &mut Activations) -> Result<()> {
        let (d, n, eps) = (config.dim, config.tokens(), config.eps);
        let qkv = &mut a.wide[..n * 3 * d];
        layer_norm(&a.tokens, &self.norm1.weight, &self.norm1.bias, eps, &mut a.normed)?;
        linear(&a.normed, &self.qkv.weight, &self.qkv.bias, Then::Store, qkv)?;
        attention(qkv, n, config.heads, &mut a.attention, &mut a.attended)?;
        linear(&a.attended, &self.proj.weight, &self.proj.bias, Then::Add, &mut a.tokens)?;

        let hidden = &mut a.wide[..n * config.hidden];
        layer_norm(&a.tokens, &self.norm2.weight, &self.norm2.bias, eps, &mut a.normed)?;
        linear(&a.normed, &self.fc1.weight, &self.fc1.bias, Then::Gelu, hidden)?;
        linear(hidden, &self.fc2.weight, &self.fc2.bias, Then::Add, &mut a.tokens)?;
        Ok(())
    }
}

/// Class token plus its position, registers without one, and the interpolated positions of the patches.
fn starting_tokens(config: &Config, fetch: &Fetch<'_>, need: &Need<'_>) -> Result<Vec<f32>> {
    let (d, table) = (config.dim, config.table);
    let mut start = need("cls_token", &[1, 1, d])?;
    let positions = need("pos_embed", &[1, table * table + 1, d])?;
    let (class, grid) = positions.split_at(d);
    start.iter_mut().zip(class).for_each(|(token, position)| *token += position);
    if config.registers > 0 {
        start.extend(fetch("register_tokens", &[1, config.registers, d])?.unwrap_or_default());
    }
    start.extend(interpolate(grid, table, config.patches(), d, config.positions));
    Ok(start)
}

/// (3, side, side) -> (patches, 3 * patch * patch), patches row-major, each in the order of the weight.
pub(crate) fn gather_patches(image: &[f32], side: usize, p: usize, patches: &mut Vec<f32>) {
    let (n, row_len) = (side / p, 3 * p * p);
    patches.resize(n * n * row_len, 0.0);
    for (i, patch) in patches.chunks_exact_mut(row_len).enumerate() {
        let (top, left) = (i / n * p, i % n * p);
        for (line, out) in patch.chunks_exact_mut(p).enumerate() {
            let (channel, row) = (line / p, line % p);
            let from = channel * side * side + (top + row) * side + left;
            out.copy_from_slice(&image[from..from + p]);
        }
    }
}
