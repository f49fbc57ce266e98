//! A convolutional feature network in two stages, its cells as rows and channels last all the way.
//!
//! x = norm(stem(patches)); blocks of stage 0; x = merge(2 x 2 cells of norm(x)) + position; blocks of stage 1;
//! descriptors = head(norm(x)). A block is x += fc2(gelu(fc1(norm(depthwise(x))))). Unlike attention, its cost grows with
//! the number of cells alone, and what a cell sees first is its neighbourhood, which a defect is told by.
//!
//! # Tensors
//! `stem.weight` (c0, 3, p, p), `stem.norm`, `stages.S.B.{depthwise,norm,fc1,fc2}.{weight,bias}` with the depth-wise
//! weight (c, k, k), `merge.norm`, `merge.weight` (c1, 4 c0), inputs in the order row, column, channel, `position`
//! (cells, c1), `head.norm`, `head.weight` (width, c1), and a bias for each weight.

use serde::{Deserialize, Serialize};
use snarm_kernels::depthwise::{self, Kernel, depthwise};
use snarm_kernels::layer_norm::layer_norm;
use snarm_kernels::linear::{Panels, Then, linear};

use super::file::Header;
use super::head::{Head, layer, need, norm};
use super::vit::{Fetch, Linear, Norm, gather_patches};
use crate::error::{Error, Result};

/// Epsilon of the layer norms.
pub(crate) const EPS: f32 = 1e-6;

/// Hidden channels of a block for each of its own.
pub(crate) const EXPANSION: usize = 4;

/// Sizes of a convolutional network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Side of a patch of the stem, in pixels.
    pub patch: usize,
    /// Side of the squares of taps, odd.
    pub kernel: usize,
    /// Channels of the stages.
    pub dims: [usize; 2],
    /// Blocks of the stages.
    pub blocks: [usize; 2],
}

impl Sizes {
    /// Blocks of both stages.
    pub fn depth(&self) -> usize {
        self.blocks.iter().sum()
    }

    /// Side of a descriptor's cell in pixels.
    pub fn stride(&self) -> usize {
        2 * self.patch
    }

    pub(super) fn check(&self, header: &Header) -> Result<()> {
        let (even, empty) = (self.kernel.is_multiple_of(2), self.dims.contains(&0));
        if even || empty {
            let expected = "squares of taps with an odd side, at least 1 channel a stage".to_owned();
            let found = format!("side {}, channels {:?}", self.kernel, self.dims);
            return Err(Error::Mismatch { what: "encoder", expected, found });
        }
        let cells = header.side / self.stride().max(1);
        if self.patch > 0 && cells > 0 && (cells * self.stride(), cells) == (header.side, header.grid) {
            return Ok(());
        }
        let expected = format!("an input of whole cells of 2 x {} pixels, one descriptor a cell", self.patch);
        let found = format!("side {}, grid {}", header.side, header.grid);
        Err(Error::Mismatch { what: "encoder", expected, found })
    }
}

/// x += fc2(gelu(fc1(norm(depthwise(x)))))
struct Block {
    depthwise: Kernel,
    norm: Norm,
    fc1: Linear,
    fc2: Linear,
}

/// The network, ready to run.
pub(super) struct Conv {
    patch: usize,
    side: usize,
    stem: Linear,
    stem_norm: Norm,
    merge_norm: Norm,
    merge: Linear,
    position: Vec<f32>,
    stages: [Vec<Block>; 2],
    head: Head,
}

/// Activations of one image.
#[derive(Default)]
pub(super) struct Activations {
    patches: Vec<f32>,
    fine: Vec<f32>,
    coarse: Vec<f32>,
    filtered: Vec<f32>,
    normed: Vec<f32>,
    hidden: Vec<f32>,
    depthwise: depthwise::Workspace,
}

impl Conv {
    /// Takes the tensors it needs from `fetch`.
    pub(super) fn new(sizes: &Sizes, header: &Header, fetch: &Fetch<'_>) -> Result<Self> {
        let ([c0, c1], p) = (sizes.dims, sizes.patch);
        let stage =
            |s: usize| (0..sizes.blocks[s]).map(|b| Block::new(s, b, sizes, fetch)).collect::<Result<_>>();
        let stem = need("stem.weight", &[c0, 3, p, p], fetch)?;
        Ok(Self {
            patch: p,
            side: header.side,
            stem: Linear {
                weight: Panels::from_transposed(&stem, c0, 3 * p * p),
                bias: need("stem.bias", &[c0], fetch)?,
            },
            stem_norm: norm("stem.norm", c0, fetch)?,
            merge_norm: norm("merge.norm", c0, fetch)?,
            merge: layer("merge", c1, 4 * c0, fetch)?,
            position: need("position", &[header.grid * header.grid, c1], fetch)?,
            stages: [stage(0)?, stage(1)?],
            head: Head::new(c1, header.width, EPS, fetch)?,
        })
    }

    /// A normalised image (3, side, side) to descriptors (grid * grid, width).
    pub(super) fn run(&self, image: &[f32], a: &mut Activations, descriptors: &mut [f32]) -> Result<()> {
        let (fine, c0) = (self.side / self.patch, self.stem.bias.len());
        gather_patches(image, self.side, self.patch, &mut a.patches);
        a.filtered.resize(fine * fine * c0, 0.0);
        a.fine.resize(fine * fine * c0, 0.0);
        linear(&a.patches, &self.stem.weight, &self.stem.bias, Then::Store, &mut a.filtered)?;
        let n = &self.stem_norm;
        layer_norm(&a.filtered, &n.weight, &n.bias, EPS, &mut a.fine)?;
        let mut x = std::mem::take(&mut a.fine);
        for block in &self.stages[0] {
            block.run(&mut x, fine, a)?;
        }
        a.fine = x;

        let n = &self.merge_norm;
        a.normed.resize(a.fine.len(), 0.0);
        layer_norm(&a.fine, &n.weight, &n.bias, EPS, &mut a.normed)?;
        merge_cells(&a.normed, fine, c0, &mut a.patches);
        a.coarse.clear();
        a.coarse.extend_from_slice(&self.position);
        linear(&a.patches, &self.merge.weight, &self.merge.bias, Then::Add, &mut a.coarse)?;
        let mut x = std::mem::take(&mut a.coarse);
        for block in &self.stages[1] {
            block.run(&mut x, fine / 2, a)?;
        }
        a.coarse = x;
        self.head.run(&a.coarse, &mut a.normed, descriptors)
    }
}

impl Block {
    fn new(stage: usize, block: usize, sizes: &Sizes, fetch: &Fetch<'_>) -> Result<Self> {
        let (c, k) = (sizes.dims[stage], sizes.kernel);
        let name = |part: &str| format!("stages.{stage}.{block}.{part}");
        let taps = need(&name("depthwise.weight"), &[c, k, k], fetch)?;
        Ok(Self {
            depthwise: Kernel::new(&taps, need(&name("depthwise.bias"), &[c], fetch)?)?,
            norm: norm(&name("norm"), c, fetch)?,
            fc1: layer(&name("fc1"), EXPANSION * c, c, fetch)?,
            fc2: layer(&name("fc2"), c, EXPANSION * c, fetch)?,
        })
    }

    fn run(&self, x: &mut [f32], side: usize, a: &mut Activations) -> Result<()> {
        a.filtered.resize(x.len(), 0.0);
        a.normed.resize(x.len(), 0.0);
        a.hidden.resize(EXPANSION * x.len(), 0.0);
        depthwise(x, side, side, &self.depthwise, &mut a.depthwise, &mut a.filtered)?;
        layer_norm(&a.filtered, &self.norm.weight, &self.norm.bias, EPS, &mut a.normed)?;
        linear(&a.normed, &self.fc1.weight, &self.fc1.bias, Then::Gelu, &mut a.hidden)?;
        Ok(linear(&a.hidden, &self.fc2.weight, &self.fc2.bias, Then::Add, x)?)
    }
}

/// (side, side, c) -> (side / 2, side / 2, 2, 2, c)
fn merge_cells(x: &[f32], side: usize, c: usize, merged: &mut Vec<f32>) {
    let half = side / 2;
    merged.resize(half * half * 4 * c, 0.0);
    for (i, out) in merged.chunks_exact_mut(2 * c).enumerate() {
        let (cell, line) = (i / 2, i % 2);
        let from = (cell / half * 2 + line) * side + cell % half * 2;
        out.copy_from_slice(&x[from * c..(from + 2) * c]);
    }
}
