//! SNARM's decoder on candle: the same maths as [`crate::models::snarm::decoder`], with gradients, and its training.
//!
//! [`Trainer`] is a run: samples (`samples`) are drawn, brought into a batch (`assemble`), learned from ([`Net`]) and looked
//! at (`forward`). A step runs one branch: its embedding, blocks, norm and four views, and the navigator. Tokens of a batch lie in rows,
//! and from the embedding on by order of the scan first, (orders, images, tokens), as the kernels of a single frame have
//! them.

mod assemble;
mod branch;
mod data;
mod forward;
mod init;
mod samples;
mod settings;
mod trainer;

use std::sync::Arc;

use candle_core::{Device, Tensor};
use snarm_kernels::Grid;
use snarm_kernels::batch_norm::Statistics;
use snarm_kernels::focal::{Focal, Of, Sides};
use snarm_kernels::gather::KEEP;

pub use self::data::{Category, Image};
pub use self::init::variables;
pub use self::samples::DiskCache;
pub use self::settings::{Settings, Without};
pub use self::trainer::{COLUMNS, Claims, Event, Trainer};
use super::Variables;
use super::ops::{Target, focal, linear};
use crate::error::{Error, Result};
use crate::models::scan_order::snarm_orders;
use crate::models::snarm::decoder::{ORDERS, Shape, Stage};

/// Loss of the views: published constants.
pub const VIEWS_LOSS: Focal = Focal { alpha: 0.25, gamma: 4.0 };

/// Loss of the navigator: published constants.
pub const NAVIGATOR_LOSS: Focal = Focal { alpha: 0.5, gamma: 4.0 };

/// Part of the statistics of a batch norm that a step replaces.
const MOMENTUM: f32 = 0.1;

/// Part of what the blocks make that is dropped before the last norm.
pub const DROPOUT: f32 = 0.1;

/// What the decoder learns from in one step.
pub struct Batch {
    /// Transformed inter-residuals, (images * tokens, width).
    pub inter: Tensor,
    /// Transformed intra-residuals, (images * tokens, width).
    pub intra: Tensor,
    places: Places,
    target: Target,
    grid: usize,
}

impl Batch {
    /// Of images with a grid of `grid` x `grid` tokens and masks of `side` x `side` pixels: residuals (images, tokens,
    /// width), the hard tokens of each image, equally many and ascending, and masks of zeros and ones.
    ///
    /// # Errors
    /// When the parts do not fit each other.
    pub fn new(
        inter: Vec<f32>,
        intra: Vec<f32>,
        hard: &[Vec<u32>],
        masks: Vec<u8>,
        grid: usize,
        side: usize,
    ) -> Result<Self> {
        let (images, tokens) = (hard.len(), grid * grid);
        let width = inter.len() / (images * tokens).max(1);
        let rows = (images * tokens, width);
        let lengths = (inter.len(), intra.len(), masks.len());
        if lengths != (rows.0 * width, rows.0 * width, images * side * side) || images == 0 {
            let expected =
                format!("residuals and masks of {images} images of {tokens} tokens and {side} pixels");
            return Err(Error::Values { what: "batch", expected, found: format!("{lengths:?} values") });
        }
        Ok(Self {
            inter: Tensor::from_vec(inter, rows, &Device::Cpu)?,
            intra: Tensor::from_vec(intra, rows, &Device::Cpu)?,
            places: Places::new(hard, grid)?,
            target: Target { masks: Arc::new(masks), sides: Sides { from: grid, to: side } },
            grid,
        })
    }

    /// The same batch with its residuals on a device.
    ///
    /// # Errors
    /// When they do not fit into its memory.
    pub fn to_device(mut self, device: &Device) -> Result<Self> {
        self.inter = self.inter.to_device(device)?;
        self.intra = self.intra.to_device(device)?;
        Ok(self)
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.places.images
    }
}

/// Which token lies where in the orders of a batch, and which of them are hard.
struct Places {
    images: usize,
    /// Token (among those of all images) at each row, (orders, images, tokens).
    orders: Arc<Vec<u32>>,
    /// The inverse: row of each token of each order, (orders, images, tokens).
    rows: Arc<Vec<u32>>,
    /// Rows of the hard tokens, (orders, images, hard tokens).
    hard: Arc<Vec<u32>>,
    /// For each row, its place in `hard`, or [`KEEP`].
    mixed: Arc<Vec<u32>>,
    /// Hard tokens of an image.
    len: usize,
}

impl Places {
    fn new(hard: &[Vec<u32>], grid: usize) -> Result<Self> {
        let (images, tokens) = (hard.len(), grid * grid);
        let len = hard.first().map_or(0, Vec::len);
        if hard.iter().any(|of| of.len() != len || of.iter().any(|token| *token as usize >= tokens)) {
            let expected = format!("{len} hard tokens among {tokens} in each image");
            let found = format!("{:?}", hard.iter().map(Vec::len).collect::<Vec<_>>());
            return Err(Error::Values { what: "batch", expected, found });
        }
        let is_hard: Vec<Vec<bool>> = hard
            .iter()
            .map(|of| (0..tokens as u32).map(|token| of.binary_search(&token).is_ok()).collect())
            .collect();
        let n = ORDERS * images * tokens;
        let (mut orders, mut rows) = (Vec::with_capacity(n), vec![0; n]);
        let (mut hard, mut mixed) = (Vec::new(), vec![KEEP; n]);
        for order in snarm_orders(Grid::square(grid)) {
            let first = orders.len();
            for (image, is_hard) in is_hard.iter().enumerate() {
                for token in &order {
                    let row = orders.len();
                    let at = image * tokens + *token as usize;
                    rows[first + at] = row as u32;
                    orders.push(at as u32);
                    if is_hard[*token as usize] {
                        mixed[row] = hard.len() as u32;
                        hard.push(row as u32);
                    }
                }
            }
        }
        let [orders, rows, hard, mixed] = [orders, rows, hard, mixed].map(Arc::new);
        Ok(Self { images, orders, rows, hard, mixed, len })
    }
}

/// How a batch norm finds its statistics, and whether something is dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Those of the batch; elements are dropped by this key and probability.
    Train {
        /// Key of the dropout.
        key: u64,
        /// Probability of the dropout.
        dropout: f32,
    },
    /// Those that were gathered; nothing is dropped.
    Validate,
}

/// Ways to leave a part of the decoder out, to see what it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Whether the mixers run; without them what the convolution says of the hard tokens stays.
    pub mamba: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self { mamba: true }
    }
}

/// Sees what the stages of a branch make, as [`crate::models::snarm::decoder::SnarmDecoder::run_observed`] shows it of one frame.
pub type Observe<'a> = dyn FnMut(Stage, &Tensor) + 'a;

/// A decoder in training.
pub struct Net<'a> {
    /// Sizes.
    pub shape: Shape,
    /// Weights.
    pub variables: &'a Variables,
    /// Statistics of the batch norms.
    pub buffers: &'a Variables,
    /// What is left out.
    pub parts: Parts,
}

/// What a step makes.
pub struct Outcome {
    /// Loss of the views.
    pub views: Tensor,
    /// Loss of the navigator.
    pub navigator: Tensor,
    /// Logits (orders, images, tokens) in the order of the map.
    pub logits: Tensor,
    /// Statistics of the batch at each view.
    statistics: Vec<Statistics>,
}

impl Outcome {
    /// Both losses.
    ///
    /// # Errors
    /// When candle fails.
    pub fn loss(&self) -> Result<Tensor> {
        Ok((&self.views + &self.navigator)?)
    }
}

impl Net<'_> {
    /// Runs the branch and the navigator on a batch.
    ///
    /// # Errors
    /// When the batch does not fit the decoder.
    pub fn run(&self, branch: usize, batch: &Batch, mode: Mode) -> Result<Outcome> {
        self.run_observed(branch, batch, mode, &mut |_, _| {})
    }

    /// As [`Self::run`]; `observe` sees the stages.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_observed(
        &self,
        branch: usize,
        batch: &Batch,
        mode: Mode,
        observe: &mut Observe<'_>,
    ) -> Result<Outcome> {
        let (logits, statistics) = self.branch(branch, batch, mode, observe)?;
        let views = focal(&logits, Of::Logits, &batch.target, VIEWS_LOSS)?;
        let (weight, bias) =
            (self.variables.get("simple_predictor.weight")?, self.variables.get("simple_predictor.bias")?);
        let q = linear(&batch.inter, weight, Some(bias))?;
        // A sigmoid whose gradient stays finite where it is flat.
        let q = (((q * 0.5)?.tanh()? + 1.0)? * 0.5)?;
        let navigator = focal(&q, Of::Probabilities, &batch.target, NAVIGATOR_LOSS)?;
        Ok(Outcome { views, navigator, logits, statistics })
    }

    /// Lets the batch norms of a branch gather what a step saw: a tenth of it, the variance being the unbiased one.
    ///
    /// # Errors
    /// When candle fails.
    pub fn gather(&self, branch: usize, batch: &Batch, outcome: &Outcome) -> Result<()> {
        let rows = (batch.images() * batch.grid * batch.grid) as f32;
        let unbiased = rows / (rows - 1.0).max(1.0);
        for (order, statistics) in outcome.statistics.iter().enumerate() {
            let name = format!("head_list.{}.0.norm", branch * ORDERS + order);
            for (kind, new, scale) in
                [("running_mean", &statistics.mean, 1.0), ("running_var", &statistics.var, unbiased)]
            {
                let name = format!("{name}.{kind}");
                let mut old = self.buffers.values(&name)?;
                for (old, new) in old.iter_mut().zip(new) {
                    *old = (1.0 - MOMENTUM) * *old + MOMENTUM * new * scale;
                }
                self.buffers.set(&name, &old)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
