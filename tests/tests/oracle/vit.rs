//! A vision transformer and its descriptors on candle tensors, from the definition: no kernel of ours takes part, and
//! where there is a choice the other way is taken (positions and resampling as matrices, upsampling before pooling).

use candle_core::{D, Device, Result, Tensor};
use snarm_core::encoder::{Geometry, Transformer};

/// Channels of each layer group between the two poolings.
const MIDDLE: usize = 1024;

/// Hands out the tensor of a torch-hub name and shape; `None` where the network has none.
pub type Fetch<'a> = dyn Fn(&str, &[usize]) -> Option<Vec<f32>> + 'a;

/// The network up to the last block that is used.
pub struct Vit {
    sizes: Transformer,
    patch: [Tensor; 2],
    class: Tensor,
    registers: Option<Tensor>,
    positions: Tensor,
    blocks: Vec<Block>,
    upsample: Tensor,
    pool: [Tensor; 2],
}

struct Block {
    norm1: [Tensor; 2],
    qkv: [Tensor; 2],
    proj: [Tensor; 2],
    scale1: Option<Tensor>,
    norm2: [Tensor; 2],
    fc1: [Tensor; 2],
    fc2: [Tensor; 2],
    scale2: Option<Tensor>,
}

impl Vit {
    /// Takes the tensors it needs from `fetch`.
    pub fn new(sizes: &Transformer, geometry: &Geometry, fetch: &Fetch<'_>) -> Result<Self> {
        let find = |name: &str, shape: &[usize]| {
            fetch(name, shape).map(|data| Tensor::from_vec(data, shape, &Device::Cpu)).transpose()
        };
        let get = |name: &str, shape: &[usize]| find(name, shape)?.ok_or_else(|| missing(name));
        let pair = |name: &str, shape: &[usize]| -> Result<[Tensor; 2]> {
            Ok([get(&format!("{name}.weight"), shape)?, get(&format!("{name}.bias"), &shape[..1])?])
        };
        let (d, p, hidden) = (sizes.dim, sizes.patch, sizes.hidden);
        let block = |i: usize| -> Result<Block> {
            let name = |part: &str| format!("blocks.{i}.{part}");
            Ok(Block {
                norm1: pair(&name("norm1"), &[d])?,
                qkv: pair(&name("attn.qkv"), &[3 * d, d])?,
                proj: pair(&name("attn.proj"), &[d, d])?,
                scale1: find(&name("ls1.gamma"), &[d])?,
                norm2: pair(&name("norm2"), &[d])?,
                fc1: pair(&name("mlp.fc1"), &[hidden, d])?,
                fc2: pair(&name("mlp.fc2"), &[d, hidden])?,
                scale2: find(&name("ls2.gamma"), &[d])?,
            })
        };
        let table = get("pos_embed", &[1, sizes.table * sizes.table + 1, d])?.squeeze(0)?;
        let registers = if sizes.registers > 0 {
            Some(get("register_tokens", &[1, sizes.registers, d])?.squeeze(0)?)
        } else {
            None
        };
        Ok(Self {
            patch: pair("patch_embed.proj", &[d, 3, p, p])?,
            class: (get("cls_token", &[1, 1, d])?.squeeze(0)? + table.narrow(0, 0, 1)?)?, // (1, d)
            registers,
            positions: positions(&table, sizes)?,
            blocks: (0..sizes.layers.second.end).map(block).collect::<Result<_>>()?,
            upsample: bilinear(side_of(sizes), geometry.grid().rows)?,
            pool: [adaptive_pool(d, MIDDLE)?, adaptive_pool(2 * MIDDLE, geometry.width())?],
            sizes: sizes.clone(),
        })
    }

    /// Descriptors (grid * grid, width) of a normalised image (3, side, side). `observe` sees all tokens before the
    /// first block, as number 0, and after each block, as numbers from 1.
    pub fn forward(
        &self,
        image: &[f32],
        observe: &mut dyn FnMut(usize, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let sizes = &self.sizes;
        let image = Tensor::from_slice(image, (1, 3, sizes.side, sizes.side), &Device::Cpu)?;
        let [weight, bias] = &self.patch;
        let patches = image.conv2d(weight, 0, sizes.patch, 1, 1)?.flatten_from(2)?; // (1, d, n * n)
        let patches = patches.squeeze(0)?.t()?.broadcast_add(bias)?; // (n * n, d)
        let patches = (patches + &self.positions)?;
        let parts: Vec<&Tensor> =
            [Some(&self.class), self.registers.as_ref(), Some(&patches)].into_iter().flatten().collect();
        let mut tokens = Tensor::cat(&parts, 0)?;
        observe(0, &tokens)?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (i, block) in self.blocks.iter().enumerate() {
            tokens = block.forward(&tokens, sizes)?;
            observe(i + 1, &tokens)?;
            for (range, group) in [(&sizes.layers.first, &mut first), (&sizes.layers.second, &mut second)] {
                if range.contains(&i) {
                    let (extra, count) = (sizes.extra_tokens(), side_of(sizes).pow(2));
                    group.push(tokens.narrow(0, extra, count)?);
                }
            }
        }
        let groups = [first, second].map(|group| self.pooled(&group));
        let [first, second] = groups;
        let descriptors = Tensor::cat(&[first?, second?], 1)?.matmul(&self.pool[1])?; // (grid * grid, width)
        if !sizes.unit_descriptors {
            return Ok(descriptors);
        }
        descriptors.broadcast_div(&descriptors.sqr()?.mean_keepdim(D::Minus1)?.sqrt()?)
    }

    /// Mean of a group of layers on the grid of descriptors, in the middle width.
    fn pooled(&self, group: &[Tensor]) -> Result<Tensor> {
        let mean = Tensor::stack(group, 0)?.mean(0)?; // (n * n, d)
        on_grid(&mean, &self.upsample)?.matmul(&self.pool[0])
    }
}

impl Block {
    fn forward(&self, x: &Tensor, sizes: &Transformer) -> Result<Tensor> {
        let attended = linear(&attention(&self.norm_qkv(x, sizes)?, sizes)?, &self.proj)?;
        let x = (x + scaled(attended, &self.scale1)?)?;
        let hidden = linear(&layer_norm(&x, &self.norm2, sizes)?, &self.fc1)?.gelu_erf()?;
        &x + scaled(linear(&hidden, &self.fc2)?, &self.scale2)?
    }

    fn norm_qkv(&self, x: &Tensor, sizes: &Transformer) -> Result<Tensor> {
        linear(&layer_norm(x, &self.norm1, sizes)?, &self.qkv)
    }
}

fn scaled(x: Tensor, scale: &Option<Tensor>) -> Result<Tensor> {
    match scale {
        Some(scale) => x.broadcast_mul(scale),
        None => Ok(x),
    }
}

fn linear(x: &Tensor, [weight, bias]: &[Tensor; 2]) -> Result<Tensor> {
    x.matmul(&weight.t()?)?.broadcast_add(bias)
}

fn layer_norm(x: &Tensor, [weight, bias]: &[Tensor; 2], sizes: &Transformer) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + f64::from(sizes.eps))?.sqrt()?;
    centred.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)
}

/// softmax(q k^T / sqrt(d)) v of each head, from rows [q | k | v].
fn attention(qkv: &Tensor, sizes: &Transformer) -> Result<Tensor> {
    let (n, d) = (qkv.dim(0)?, sizes.dim / sizes.heads);
    let heads = qkv.reshape((n, 3, sizes.heads, d))?.permute((1, 2, 0, 3))?; // (3, heads, n, d)
    let part = |i: usize| heads.get(i)?.contiguous();
    let q = (part(0)? / (d as f64).sqrt())?;
    let scores = q.matmul(&part(1)?.t()?)?; // (heads, n, n)
    let weights = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
    weights.matmul(&part(2)?)?.transpose(0, 1)?.reshape((n, sizes.dim)) // (n, heads * d)
}

/// Side of the grid of patches.
fn side_of(sizes: &Transformer) -> usize {
    sizes.side / sizes.patch
}

/// Positions of the patches: bicubic (a = -0.75), the scale taken as (grid + 0.1) / table, as a matrix on both axes.
fn positions(table: &Tensor, sizes: &Transformer) -> Result<Tensor> {
    let (from, to) = (sizes.table, side_of(sizes));
    let grid = table.narrow(0, 1, from * from)?;
    if from == to {
        return Ok(grid);
    }
    let near = |x: f64| (1.25 * x - 2.25) * x * x + 1.0;
    let far = |x: f64| ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0;
    let weight = |x: f64| if x < 1.0 { near(x) } else { far(x) };
    let mut matrix = vec![0.0_f32; to * from];
    for (o, row) in matrix.chunks_exact_mut(from).enumerate() {
        let x = (o as f64 + 0.5) * from as f64 / (to as f64 + 0.1) - 0.5;
        for i in x.floor() as i64 - 1..=x.floor() as i64 + 2 {
            row[i.clamp(0, from as i64 - 1) as usize] += weight((x - i as f64).abs()) as f32;
        }
    }
    on_grid(&grid, &Tensor::from_vec(matrix, (to, from), &Device::Cpu)?)
}

/// Applies a matrix (to, from) to both axes of a square map (from * from, d).
fn on_grid(map: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    let (to, from) = matrix.dims2()?;
    let d = map.dim(1)?;
    let rows = matrix.matmul(&map.reshape((from, from * d))?)?; // (to, from * d)
    let columns = rows.reshape((to, from, d))?.transpose(0, 1)?.contiguous()?; // (from, to, d)
    let both = matrix.matmul(&columns.reshape((from, to * d))?)?; // (to, to * d), columns first
    both.reshape((to, to, d))?.transpose(0, 1)?.contiguous()?.reshape((to * to, d))
}

/// Bilinear resampling without aligned corners, as a matrix (to, from).
fn bilinear(from: usize, to: usize) -> Result<Tensor> {
    let mut matrix = vec![0.0_f32; to * from];
    for (o, row) in matrix.chunks_exact_mut(from).enumerate() {
        let x = ((o as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
        let low = x as usize;
        row[low] += (1.0 - x.fract()) as f32;
        row[(low + 1).min(from - 1)] += x.fract() as f32;
    }
    Tensor::from_vec(matrix, (to, from), &Device::Cpu)
}

/// Adaptive average pooling from n to m channels, as a matrix (n, m).
fn adaptive_pool(n: usize, m: usize) -> Result<Tensor> {
    let mut matrix = vec![0.0_f32; n * m];
    for o in 0..m {
        let window = o * n / m..((o + 1) * n).div_ceil(m);
        let share = 1.0 / window.len() as f32;
        window.for_each(|i| matrix[i * m + o] = share);
    }
    Tensor::from_vec(matrix, (n, m), &Device::Cpu)
}

fn missing(name: &str) -> candle_core::Error {
    candle_core::Error::Msg(format!("expected a tensor {name}, found none"))
}
