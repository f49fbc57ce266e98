//! The kinds of student as candle tensors: the same networks as in [`crate::encoder`], by the same names.

use candle_core::{Device, Tensor};

use crate::encoder::{ConvSizes, Network, PyramidSizes, VitSizes, seeded};
use crate::error::Result;
use crate::layers::{EPS, EXPANSION, HEAD};
use snarm_kernels::upsample::{Corners, Tap, taps};

use crate::training::Variables;
use crate::training::ops::{depthwise, gelu, layer_norm, linear, softmax};

/// A network in training.
#[derive(Debug)]
pub struct Student {
    /// Kind and sizes.
    pub network: Network,
    /// Side of the input in pixels.
    pub side: usize,
    /// Width of a descriptor.
    pub width: usize,
}

impl Student {
    /// Side of the grid of descriptors.
    pub fn grid(&self) -> usize {
        match &self.network {
            Network::Conv(sizes) => self.side / sizes.stride().max(1),
            Network::Pyramid(_) => self.side / PyramidSizes::STRIDE,
            Network::Vit(sizes) => self.side / sizes.patch.max(1),
        }
    }

    /// Side of the patches that the first layer reads.
    pub fn patch(&self) -> usize {
        match &self.network {
            Network::Conv(sizes) => sizes.patch,
            Network::Pyramid(_) => PyramidSizes::PATCH,
            Network::Vit(sizes) => sizes.patch,
        }
    }

    /// Name and shape of every tensor.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = Tensors::default();
        match &self.network {
            Network::Conv(sizes) => {
                let ([c0, c1], p) = (sizes.dims, sizes.patch);
                all.linear("stem", c0, &[3, p, p]);
                all.norm("stem.norm", c0);
                for (stage, c) in sizes.dims.into_iter().enumerate() {
                    for block in 0..sizes.blocks[stage] {
                        all.block(&format!("stages.{stage}.{block}"), c, sizes.kernel, false);
                    }
                }
                all.norm("merge.norm", c0);
                all.linear("merge", c1, &[4 * c0]);
                all.add("position", &[self.grid() * self.grid(), c1]);
                all.norm("head.norm", c1);
                all.linear("head", self.width, &[c1]);
            }
            Network::Pyramid(sizes) => {
                let dims = sizes.dims;
                all.linear("stem", dims[0], &[3, PyramidSizes::PATCH, PyramidSizes::PATCH]);
                all.norm("stem.norm", dims[0]);
                for (stage, dim) in dims.into_iter().enumerate() {
                    for block in 0..sizes.blocks[stage] {
                        let attends = sizes.attends(stage, block);
                        all.block(&format!("stages.{stage}.{block}"), dim, sizes.kernel, attends);
                    }
                }
                for stage in 0..3 {
                    all.norm(&format!("merges.{stage}.norm"), dims[stage]);
                    all.linear(&format!("merges.{stage}"), dims[stage + 1], &[4 * dims[stage]]);
                    all.norm(&format!("laterals.{stage}.norm"), dims[stage + 1]);
                    all.linear(&format!("laterals.{stage}"), sizes.fused, &[dims[stage + 1]]);
                }
                all.block("fuse", sizes.fused, sizes.kernel, false);
                all.norm("head.norm", sizes.fused);
                all.linear("head", self.width, &[sizes.fused]);
            }
            Network::Vit(VitSizes { patch, dim, depth, registers }) => {
                let d = *dim;
                all.linear("patch_embed.proj", d, &[3, *patch, *patch]);
                all.add("cls_token", &[1, 1, d]);
                all.add("register_tokens", &[1, *registers, d]);
                all.add("pos_embed", &[1, self.grid() * self.grid() + 1, d]);
                for block in 0..*depth {
                    let name = |part: &str| format!("blocks.{block}.{part}");
                    all.norm(&name("norm1"), d);
                    all.linear(&name("attn.qkv"), 3 * d, &[d]);
                    all.linear(&name("attn.proj"), d, &[d]);
                    all.norm(&name("norm2"), d);
                    all.linear(&name("mlp.fc1"), EXPANSION * d, &[d]);
                    all.linear(&name("mlp.fc2"), d, &[EXPANSION * d]);
                }
                all.norm("head.norm", d);
                all.linear("head", self.width, &[d]);
            }
        }
        all.0
    }

    /// Variables before the first step.
    ///
    /// # Errors
    /// When candle refuses them.
    pub fn variables(&self, seed: u64) -> Result<Variables> {
        let depth = match &self.network {
            Network::Conv(sizes) => sizes.depth(),
            Network::Pyramid(sizes) => sizes.depth() + sizes.attending.iter().sum::<usize>(),
            Network::Vit(sizes) => 2 * sizes.depth,
        };
        let mut variables = Variables::default();
        for (name, shape) in self.tensors() {
            let len = shape.iter().product();
            let (offset, scale) = rule(&name, &shape, depth);
            let values = seeded::values(&format!("{seed} {name}"), len, offset, scale);
            variables.insert(&name, values, &shape)?;
        }
        Ok(variables)
    }

    /// Descriptors (images * grid * grid, width) of the patches (images * cells, 3 * patch * patch), on the device of the
    /// variables.
    ///
    /// # Errors
    /// When candle refuses a shape.
    pub fn forward(&self, variables: &Variables, patches: Vec<f32>, images: usize) -> Result<Tensor> {
        let row = 3 * self.patch() * self.patch();
        let rows = patches.len() / row;
        let patches = Tensor::from_vec(patches, (rows, row), variables.device())?;
        let net = Net { variables };
        match &self.network {
            Network::Conv(sizes) => self.conv(&net, sizes, &patches, images),
            Network::Pyramid(sizes) => self.pyramid(&net, sizes, &patches, images),
            Network::Vit(sizes) => self.vit(&net, sizes, &patches, images),
        }
    }

    fn conv(&self, net: &Net<'_>, sizes: &ConvSizes, patches: &Tensor, b: usize) -> Result<Tensor> {
        let ([c0, c1], grid) = (sizes.dims, self.grid());
        let mut x = net.linear("stem", patches)?;
        x = net.norm("stem.norm", &x)?.reshape((b, 2 * grid, 2 * grid, c0))?;
        for block in 0..sizes.blocks[0] {
            x = net.block(&format!("stages.0.{block}"), &x, false)?;
        }
        x = net
            .merge("merge", &x)?
            .reshape((b, grid * grid, c1))?
            .broadcast_add(net.variables.get("position")?)?;
        x = x.reshape((b, grid, grid, c1))?;
        for block in 0..sizes.blocks[1] {
            x = net.block(&format!("stages.1.{block}"), &x, false)?;
        }
        x = x.reshape((b * grid * grid, c1))?;
        net.linear("head", &net.norm("head.norm", &x)?)
    }

    fn pyramid(&self, net: &Net<'_>, sizes: &PyramidSizes, patches: &Tensor, b: usize) -> Result<Tensor> {
        let (grid, fused) = (self.grid(), sizes.fused);
        let x = net.norm("stem.norm", &net.linear("stem", patches)?)?;
        let mut x = x.reshape((b, 2 * grid, 2 * grid, sizes.dims[0]))?;
        let mut sum: Option<Tensor> = None;
        for stage in 0..4_usize {
            if let Some(before) = stage.checked_sub(1) {
                x = net.merge(&format!("merges.{before}"), &x)?;
            }
            for block in 0..sizes.blocks[stage] {
                x = net.block(&format!("stages.{stage}.{block}"), &x, sizes.attends(stage, block))?;
            }
            let Some(before) = stage.checked_sub(1) else { continue };
            let (name, cells) = (format!("laterals.{before}"), x.dim(1)?);
            let lateral = net.linear(&name, &net.norm(&format!("{name}.norm"), &x)?)?;
            let lateral = lateral.reshape((b, cells * cells, fused))?;
            sum = Some(match sum {
                None => lateral,
                Some(sum) => {
                    let finer = magnification(cells, grid, x.device())?;
                    (sum + finer.broadcast_matmul(&lateral)?)?
                }
            });
        }
        let x = sum.map_or_else(|| Ok(x), |sum| sum.reshape((b, grid, grid, fused)))?;
        let x = net.block("fuse", &x, false)?.reshape((b * grid * grid, fused))?;
        net.linear("head", &net.norm("head.norm", &x)?)
    }

    fn vit(&self, net: &Net<'_>, sizes: &VitSizes, patches: &Tensor, b: usize) -> Result<Tensor> {
        let (d, n, extra) = (sizes.dim, self.grid() * self.grid(), 1 + sizes.registers);
        let get = |name: &str| net.variables.get(name);
        let positions = get("pos_embed")?;
        let tokens = net.linear("patch_embed.proj", patches)?.reshape((b, n, d))?;
        let tokens = tokens.broadcast_add(&positions.narrow(1, 1, n)?)?;
        let class = get("cls_token")?.add(&positions.narrow(1, 0, 1)?)?;
        let start = Tensor::cat(&[&class, get("register_tokens")?], 1)?.repeat((b, 1, 1))?;
        let mut x = Tensor::cat(&[&start, &tokens], 1)?;
        for block in 0..sizes.depth {
            x = net.vit_block(&format!("blocks.{block}"), &x)?;
        }
        let x = x.narrow(1, extra, n)?.contiguous()?.reshape((b * n, d))?;
        net.linear("head", &net.norm("head.norm", &x)?)
    }
}

/// Layers by name.
struct Net<'a> {
    variables: &'a Variables,
}

impl Net<'_> {
    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = self.pair(name)?;
        Ok(linear(x, weight, Some(bias))?)
    }

    fn norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = self.pair(name)?;
        Ok(layer_norm(x, weight, bias, EPS)?)
    }

    /// 2 x 2 cells of (b, side, side, c), normed, to one.
    fn merge(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let (b, side, _, c) = x.dims4()?;
        let half = side / 2;
        let x = self.norm(&format!("{name}.norm"), x)?.reshape(vec![b, half, 2, half, 2, c])?;
        let x = x.permute(vec![0, 1, 3, 2, 4, 5])?.contiguous()?.reshape((b, half, half, 4 * c))?;
        self.linear(name, &x)
    }

    /// The block of convolutional networks on (b, side, side, c).
    fn block(&self, name: &str, x: &Tensor, attends: bool) -> Result<Tensor> {
        let (b, height, width, c) = x.dims4()?;
        let mut x = x.clone();
        if attends {
            let rows = self.norm(&format!("{name}.attn.norm"), &x)?.reshape((b, height * width, c))?;
            x = (x + self.attention(&format!("{name}.attn"), &rows)?.reshape((b, height, width, c))?)?;
        }
        let (weight, bias) = self.pair(&format!("{name}.depthwise"))?;
        let y = self.norm(&format!("{name}.norm"), &depthwise(&x, weight, bias)?)?;
        let y = gelu(&self.linear(&format!("{name}.fc1"), &y)?)?;
        Ok((&x + self.linear(&format!("{name}.fc2"), &y)?)?)
    }

    /// proj(attention(qkv(x))) of (b, n, d), heads of 64 channels.
    fn attention(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let (b, n, d) = x.dims3()?;
        let heads = d / HEAD;
        let qkv = self.linear(&format!("{name}.qkv"), x)?;
        let qkv = qkv.reshape((b, n, 3, heads, HEAD))?.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let part = |i: usize| qkv.get(i); // (b, heads, n, 64)
        let scores = (part(0)? * (1.0 / (HEAD as f64).sqrt()))?.matmul(&part(1)?.t()?.contiguous()?)?;
        let y = softmax(&scores)?.matmul(&part(2)?)?;
        let y = y.transpose(1, 2)?.contiguous()?.reshape((b, n, d))?;
        self.linear(&format!("{name}.proj"), &y)
    }

    fn vit_block(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let normed = self.norm(&format!("{name}.norm1"), x)?;
        let x = (x + self.attention(&format!("{name}.attn"), &normed)?)?;
        let y = self.linear(&format!("{name}.mlp.fc1"), &self.norm(&format!("{name}.norm2"), &x)?)?;
        let y = self.linear(&format!("{name}.mlp.fc2"), &gelu(&y)?)?;
        Ok((x + y)?)
    }

    fn pair(&self, name: &str) -> Result<(&Tensor, &Tensor)> {
        let part = |part: &str| self.variables.get(&format!("{name}.{part}"));
        Ok((part("weight")?, part("bias")?))
    }
}

/// Names and shapes as they are collected.
#[derive(Default)]
struct Tensors(Vec<(String, Vec<usize>)>);

impl Tensors {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.push((name.to_owned(), shape.to_vec()));
    }

    fn norm(&mut self, name: &str, dim: usize) {
        self.add(&format!("{name}.weight"), &[dim]);
        self.add(&format!("{name}.bias"), &[dim]);
    }

    /// The block of convolutional networks.
    fn block(&mut self, name: &str, c: usize, kernel: usize, attends: bool) {
        if attends {
            self.norm(&format!("{name}.attn.norm"), c);
            self.linear(&format!("{name}.attn.qkv"), 3 * c, &[c]);
            self.linear(&format!("{name}.attn.proj"), c, &[c]);
        }
        self.linear(&format!("{name}.depthwise"), c, &[kernel, kernel]);
        self.norm(&format!("{name}.norm"), c);
        self.linear(&format!("{name}.fc1"), EXPANSION * c, &[c]);
        self.linear(&format!("{name}.fc2"), c, &[EXPANSION * c]);
    }

    fn linear(&mut self, name: &str, out: usize, inner: &[usize]) {
        self.add(&format!("{name}.weight"), &[&[out], inner].concat());
        self.add(&format!("{name}.bias"), &[out]);
    }
}

/// The bilinear resampling of a map of `from` x `from` cells to `to` x `to` cells as a matrix, (1, to * to, from * from).
fn magnification(from: usize, to: usize, device: &Device) -> Result<Tensor> {
    let taps: Vec<Tap> = taps(from, to, Corners::Edges);
    let mut matrix = vec![0.0_f32; to * to * from * from];
    for (i, row) in matrix.chunks_exact_mut(from * from).enumerate() {
        let (down, right) = (&taps[i / to], &taps[i % to]);
        for (line, share) in [(down.low, 1.0 - down.t), (down.high, down.t)] {
            row[line * from + right.low] += share * (1.0 - right.t);
            row[line * from + right.high] += share * right.t;
        }
    }
    Ok(Tensor::from_vec(matrix, (1, to * to, from * from), device)?)
}

/// Middle and half width of the values that a tensor begins with: matrices keep the size of what they multiply, except
/// that what a block adds to the stream is the smaller the more blocks there are.
fn rule(name: &str, shape: &[usize], depth: usize) -> (f32, f32) {
    if name.ends_with("bias") || name == "position" {
        return (0.0, 0.0);
    }
    if name.ends_with("token") || name.ends_with("tokens") || name == "pos_embed" {
        return (0.0, 0.035);
    }
    if shape.len() == 1 {
        return (1.0, 0.0);
    }
    let fan_in: usize = shape[1..].iter().product();
    let adds = name.ends_with("fc2.weight") || name.ends_with("attn.proj.weight");
    let share = if adds { (depth as f64).sqrt().recip() } else { 1.0 };
    (0.0, ((3.0 / fan_in as f64).sqrt() * share) as f32)
}
