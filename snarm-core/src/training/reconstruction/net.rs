//! The forward pass of [`crate::models::reconstruction`] on candle: the same maths by the same names, for a batch of maps
//! whose cells lie as rows one after another.

use std::cell::RefCell;
use std::sync::Arc;

use candle_core::Tensor;
use snarm_kernels::Grid;
use snarm_kernels::windows::Window;

use crate::error::Result;
use crate::models::reconstruction::{EPS, Kind, STAGES, Shape, Stage, orders, places};
use crate::training::Variables;
use crate::training::ops::{Scanned, depthwise, layer_norm, linear, selective_scan, take};
use crate::training::random::{key, normal_pair, uniform};

/// Purposes of random numbers.
const DROP: u64 = 1;
const NOISE: u64 = 2;

/// Share of maps for which the first block is left out in training; it falls to 0 for the last one.
const DROPPED: f64 = 0.2;

/// Deviation of the noise on the fused map in training, for a family that scans quarters.
const FUSED_NOISE: f32 = 0.05;

const POINT: Window = Window { side: 1, step: 1, border: 0 };
const HALVED_POINT: Window = Window { side: 1, step: 2, border: 0 };
const NEAR: Window = Window { side: 3, step: 1, border: 1 };
const HALVED: Window = Window { side: 3, step: 2, border: 1 };

/// How a forward pass is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// With the statistics that batch norms have gathered, nothing left out.
    Evaluate,
    /// With the statistics of the batch; the random numbers of what is left out, and of the noise, are those of the key.
    Train(u64),
}

/// Mean and variance that a batch norm saw, and of how many rows.
pub struct Seen {
    /// Name of the norm.
    pub norm: String,
    /// Means of the channels.
    pub mean: Vec<f32>,
    /// Biased variances of the channels.
    pub var: Vec<f32>,
    /// Rows.
    pub rows: usize,
}

/// Sees what each stage makes: maps (cells, channels) of the batch one after another.
pub type Observe<'a> = dyn FnMut(Stage, &Tensor) -> Result<()> + 'a;

/// A decoder in training.
pub struct Net<'a> {
    /// Its family.
    pub kind: &'static Kind,
    /// Its sizes.
    pub shape: &'a Shape,
    /// What gradients move.
    pub variables: &'a Variables,
    /// What batch norms gather.
    pub buffers: &'a Variables,
}

/// One forward pass.
struct Pass<'a> {
    net: &'a Net<'a>,
    maps: usize,
    mode: Mode,
    seen: RefCell<Vec<Seen>>,
}

impl Net<'_> {
    /// Reconstructs levels of features, each (maps * cells, channels), the finest first, its maps `side` cells a side.
    /// Returns the levels and what batch norms saw.
    ///
    /// # Errors
    /// When a shape does not fit.
    pub fn run(
        &self,
        levels: &[Tensor; 3],
        side: usize,
        mode: Mode,
        observe: &mut Observe<'_>,
    ) -> Result<([Tensor; 3], Vec<Seen>)> {
        let maps = levels[0].dim(0)? / (side * side).max(1);
        let pass = Pass { net: self, maps, mode, seen: RefCell::default() };
        let mut map = pass.fuse(levels, side)?;
        observe(Stage::Fused, &map)?;
        if let (Mode::Train(random), true) = (mode, self.kind.quarters) {
            map = noisy(&map, random)?;
        }
        let mut made = Vec::new();
        for s in 0..STAGES {
            let side = side >> (STAGES - 1 - s);
            if s > 0 {
                map = pass.expand(&map, s, side)?;
                observe(Stage::Expanded(s), &map)?;
            }
            for module in 0..self.shape.stages[s].len() {
                map = pass.module(&map, [s, module], side, observe)?;
                observe(Stage::Module(s, module), &map)?;
            }
            made.push(map.clone());
        }
        Ok(([3, 2, 1].map(|s: usize| made[s].clone()), pass.seen.into_inner()))
    }
}

impl Pass<'_> {
    fn get(&self, name: &str) -> Result<&Tensor> {
        self.net.variables.get(name)
    }

    /// Rows through the tensor of that name, (outputs, inputs) or of more dimensions as it lies.
    fn linear(&self, x: &Tensor, name: &str, bias: Option<&str>) -> Result<Tensor> {
        let bias = bias.map(|name| self.get(name)).transpose()?;
        Ok(linear(x, self.get(name)?, bias)?)
    }

    /// A convolution `conv`, the batch norm `norm` behind it, and ReLU where it is asked for; and the grid after it.
    fn conv(
        &self,
        x: &Tensor,
        grid: Grid,
        [conv, norm]: [&str; 2],
        window: Window,
        has_bias: bool,
    ) -> Result<(Tensor, Grid)> {
        let weight = self.get(&format!("mff_oce.{conv}.weight"))?;
        let name = format!("mff_oce.{conv}.bias");
        let bias = if has_bias { Some(self.get(&name)?) } else { None };
        let after = window.outputs(grid);
        let y = if window == POINT {
            linear(x, weight, bias)?
        } else {
            let (outputs, inputs) = (weight.dim(0)?, weight.dim(1)?);
            let nothing = Tensor::zeros((1, inputs), x.dtype(), x.device())?;
            let from = Arc::new(cells(grid, window, self.maps));
            let taps = window.side * window.side * inputs;
            let rows =
                take(&Tensor::cat(&[x, &nothing], 0)?, from)?.reshape((self.maps * after.cells(), taps))?;
            let weight = weight.permute((0, 2, 3, 1))?.contiguous()?.reshape((outputs, taps))?;
            linear(&rows, &weight, bias)?
        };
        Ok((self.batch_norm(&y, &format!("mff_oce.{norm}"))?, after))
    }

    fn batch_norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let part = |part: &str| format!("{name}.{part}");
        let (mean, var) = match self.mode {
            Mode::Evaluate => {
                let kept =
                    |name: &str| -> Result<Tensor> { Ok(self.net.buffers.get(&part(name))?.unsqueeze(0)?) };
                (kept("running_mean")?, kept("running_var")?)
            }
            Mode::Train(_) => {
                let mean = x.mean_keepdim(0)?;
                let var = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?;
                let values = |of: &Tensor| of.flatten_all()?.to_vec1();
                let seen =
                    Seen { norm: name.to_owned(), mean: values(&mean)?, var: values(&var)?, rows: x.dim(0)? };
                self.seen.borrow_mut().push(seen);
                (mean, var)
            }
        };
        let unit = x.broadcast_sub(&mean)?.broadcast_div(&(var + f64::from(EPS))?.sqrt()?)?;
        let (weight, bias) = (self.get(&part("weight"))?, self.get(&part("bias"))?);
        Ok(unit.broadcast_mul(weight)?.broadcast_add(bias)?)
    }

    fn fuse(&self, levels: &[Tensor; 3], side: usize) -> Result<Tensor> {
        let grids = [side, side / 2, side / 4].map(Grid::square);
        let [x0, x1, x2] = levels;
        let (first, grid) = self.conv(x0, grids[0], ["conv1", "bn1"], HALVED, false)?;
        let (beside, _) = self.conv(x1, grids[1], ["conv21", "bn21"], POINT, true)?;
        let sum = (first.relu()? + beside.relu()?)?;
        let (second, grid) = self.conv(&sum, grid, ["conv2", "bn2"], HALVED, false)?;
        let (beside, _) = self.conv(x2, grids[2], ["conv31", "bn31"], POINT, true)?;
        let sum = (second.relu()? + beside.relu()?)?;
        let (last, mut grid) = self.conv(&sum, grid, ["convf", "bnf"], POINT, true)?;
        let mut map = last.relu()?;
        for i in 0..self.net.shape.bottlenecks {
            let layer = |part: &str| format!("bn_layer.{i}.{part}");
            let conv = |x: &Tensor, grid: Grid, number: usize, window: Window| {
                let (conv, norm) = (layer(&format!("conv{number}")), layer(&format!("bn{number}")));
                self.conv(x, grid, [&conv, &norm], window, false)
            };
            let (inner, _) = conv(&map, grid, 1, POINT)?;
            let (inner, after) = conv(&inner.relu()?, grid, 2, if i == 0 { HALVED } else { NEAR })?;
            let (inner, _) = conv(&inner.relu()?, after, 3, POINT)?;
            if i == 0 {
                let (conv, norm) = (layer("downsample.0"), layer("downsample.1"));
                map = self.conv(&map, grid, [&conv, &norm], HALVED_POINT, false)?.0;
            }
            map = (map + inner)?.relu()?;
            grid = after;
        }
        Ok(map)
    }

    fn expand(&self, map: &Tensor, stage: usize, side: usize) -> Result<Tensor> {
        let (at, c) = (format!("net_s.layers_up.{stage}.upsample"), self.net.shape.channels(stage));
        let parts = self.linear(map, &format!("{at}.expand.weight"), None)?;
        let cells = side * side;
        let own = places(Grid::square(side / 2));
        let from = (0..self.maps).flat_map(|map| own.iter().map(move |place| place + (map * cells) as u32));
        let finer = take(&parts.reshape((self.maps * cells, c))?, Arc::new(from.collect()))?;
        self.layer_norm(&finer, &format!("{at}.norm"))
    }

    fn layer_norm(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let (weight, bias) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        Ok(layer_norm(x, weight, bias, EPS)?)
    }

    fn module(
        &self,
        map: &Tensor,
        [stage, module]: [usize; 2],
        side: usize,
        observe: &mut Observe<'_>,
    ) -> Result<Tensor> {
        let at = format!("net_s.layers_up.{stage}.blocks.{module}");
        let mut scanned = map.clone();
        for block in 0..self.net.shape.stages[stage][module] {
            let change = self.scanning(&scanned, stage, side, &format!("{at}.smm_blocks.{block}"))?;
            let place = [stage as u64, module as u64, block as u64];
            scanned = (scanned + self.dropped(&change, self.rate(stage, module), place)?)?;
            observe(Stage::Scanned(stage, module, block), &scanned)?;
        }
        let near = self.local(map, side, &at, 5)?;
        let far = self.local(map, side, &at, 7)?;
        let all = Tensor::cat(&[&scanned, &near, &far], 1)?;
        let name = |part: &str| format!("{at}.finalconv11.{part}");
        Ok((self.linear(&all, &name("weight"), Some(&name("bias")))? + map)?)
    }

    /// Share of maps for which the blocks of a module are left out.
    fn rate(&self, stage: usize, module: usize) -> f64 {
        let stages = &self.net.shape.stages;
        let blocks = |stages: &[Vec<usize>]| stages.iter().flatten().sum::<usize>();
        let (all, before) = (blocks(stages), blocks(&stages[..stage]) + module);
        DROPPED * (all - 1 - before) as f64 / (all - 1).max(1) as f64
    }

    /// What is added for the maps for which a block is not left out, so much more that its mean stays.
    fn dropped(&self, change: &Tensor, rate: f64, place: [u64; 3]) -> Result<Tensor> {
        let Mode::Train(random) = self.mode else { return Ok(change.clone()) };
        let numbers = key(random, &[DROP, place[0], place[1], place[2]]);
        let keep = |map: usize| {
            let is_kept = f64::from(uniform(numbers, map as u64)) >= rate;
            if is_kept { (1.0 / (1.0 - rate)) as f32 } else { 0.0 }
        };
        let mask = Tensor::from_vec((0..self.maps).map(keep).collect(), (self.maps, 1), change.device())?;
        let flat = change.reshape((self.maps, change.elem_count() / self.maps.max(1)))?;
        Ok(flat.broadcast_mul(&mask)?.reshape(change.shape())?)
    }

    fn local(&self, map: &Tensor, side: usize, at: &str, taps: usize) -> Result<Tensor> {
        let point = |x: &Tensor, place: char| {
            let name = |part: &str| format!("{at}.conv1{place}{taps}.0.{part}");
            self.linear(x, &name("weight"), Some(&name("bias")))
        };
        let x = self.instance_norm(&point(map, 'b')?)?;
        let weight = self.get(&format!("{at}.conv{taps}{taps}.0.weight"))?;
        let c = weight.dim(0)?;
        let bias = Tensor::zeros(c, x.dtype(), x.device())?;
        let maps = x.reshape((self.maps, side, side, c))?;
        let x = depthwise(&maps, &weight.reshape((c, taps, taps))?, &bias)?.reshape(map.shape())?;
        self.instance_norm(&point(&self.instance_norm(&x)?, 'a')?)
    }

    /// Instance norm and SiLU.
    fn instance_norm(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, c) = x.dims2()?;
        let maps = x.reshape((self.maps, rows / self.maps.max(1), c))?;
        let centred = maps.broadcast_sub(&maps.mean_keepdim(1)?)?;
        let var = centred.sqr()?.mean_keepdim(1)?;
        let unit = centred.broadcast_div(&(var + f64::from(EPS))?.sqrt()?)?;
        Ok(unit.silu()?.reshape((rows, c))?)
    }

    /// What a scanning block adds.
    fn scanning(&self, x: &Tensor, stage: usize, side: usize, at: &str) -> Result<Tensor> {
        let inner = Shape::inner(self.net.shape.channels(stage));
        let own = |part: &str| format!("{at}.self_attention.{part}");
        let normed = self.layer_norm(x, &format!("{at}.ln_1"))?;
        let joint = self.linear(&normed, &own("in_proj.weight"), None)?;
        let half = |first: usize| joint.narrow(1, first, inner)?.contiguous();
        let maps = half(0)?.reshape((self.maps, side, side, inner))?;
        let taps = self.get(&own("conv2d.weight"))?.reshape((inner, 3, 3))?;
        let u = depthwise(&maps, &taps, self.get(&own("conv2d.bias"))?)?;
        let u = u.reshape((x.dim(0)?, inner))?.silu()?;
        let y = self.scan(&u, stage, side, &own)?;
        let gated = (self.layer_norm(&y, &own("out_norm"))? * half(inner)?.silu()?)?;
        self.linear(&gated, &own("out_proj.weight"), None)
    }

    /// The sum of the scans of all directions, the mean over the sweeps.
    fn scan(&self, u: &Tensor, stage: usize, side: usize, own: &dyn Fn(&str) -> String) -> Result<Tensor> {
        let shape = self.net.shape;
        let (inner, cells) = (u.dim(1)?, side * side);
        let (rank, n) = (Shape::rank(shape.channels(stage)), shape.states);
        let width = rank + 2 * n;
        let project = self.get(&own("x_proj_weight"))?;
        let rows = linear(u, &project.reshape((shape.directions * width, inner))?, None)?;
        let sweeps = orders(self.net.kind, shape, side);
        let (a_logs, skips) = (self.get(&own("A_logs"))?, self.get(&own("Ds"))?);
        let (steps, biases) = (self.get(&own("dt_projs_weight"))?, self.get(&own("dt_projs_bias"))?);
        let mut sum: Option<Tensor> = None;
        for (orders, len) in &sweeps {
            for (k, order) in orders.chunks_exact(cells).enumerate() {
                let (from, back) = there_and_back(order, self.maps);
                let tokens = take(&rows.narrow(1, k * width, width)?.contiguous()?, Arc::clone(&from))?;
                let step = steps.narrow(0, k, 1)?.reshape((inner, rank))?;
                let delta = linear(&tokens.narrow(1, 0, rank)?.contiguous()?, &step, None)?;
                let a = a_logs.narrow(0, k * inner, inner)?.exp()?.neg()?.t()?.contiguous()?;
                let read = Scanned {
                    u: &take(u, from)?,
                    delta: &delta,
                    z: None,
                    bc: &tokens,
                    a: &a,
                    skip: &skips.narrow(0, k * inner, inner)?.contiguous()?,
                    bias: &biases.narrow(0, k, 1)?.reshape(inner)?,
                };
                let y = take(&selective_scan(read, *len)?, back)?;
                sum = Some(match sum {
                    Some(sum) => (sum + y)?,
                    None => y,
                });
            }
        }
        let sum = sum.map_or_else(|| u.zeros_like(), Ok)?;
        Ok((sum / sweeps.len() as f64)?)
    }
}

/// The row that each place of an order of each map is read from, and the place that each row is found at.
fn there_and_back(order: &[u32], maps: usize) -> (Arc<Vec<u32>>, Arc<Vec<u32>>) {
    let mut inverse = vec![0; order.len()];
    order.iter().zip(0..).for_each(|(cell, place)| inverse[*cell as usize] = place);
    let all = |own: &[u32]| -> Arc<Vec<u32>> {
        let of = |map: usize| own.iter().map(move |place| place + (map * own.len()) as u32);
        Arc::new((0..maps).flat_map(of).collect())
    };
    (all(order), all(&inverse))
}

/// For each tap of each window of each map the row of its cell; what lies in the border is the row after the last one.
fn cells(grid: Grid, window: Window, maps: usize) -> Vec<u32> {
    let (after, nothing) = (window.outputs(grid), maps * grid.cells());
    let taps = window.side * window.side;
    let cell = |map: usize, output: usize, tap: usize| {
        let at = |output: usize, tap: usize| (output * window.step + tap).checked_sub(window.border);
        let row = at(output / after.columns, tap / window.side).filter(|row| *row < grid.rows);
        let column = at(output % after.columns, tap % window.side).filter(|column| *column < grid.columns);
        let inside = row.zip(column).map(|(row, column)| map * grid.cells() + row * grid.columns + column);
        inside.unwrap_or(nothing) as u32
    };
    let outputs = (0..maps).flat_map(|map| (0..after.cells()).map(move |output| (map, output)));
    outputs.flat_map(|(map, output)| (0..taps).map(move |tap| cell(map, output, tap))).collect()
}

fn noisy(map: &Tensor, random: u64) -> Result<Tensor> {
    let numbers = key(random, &[NOISE]);
    let n = map.elem_count() as u64;
    let noise: Vec<f32> = (0..n.div_ceil(2)).flat_map(|i| normal_pair(numbers, i)).take(n as usize).collect();
    let noise = Tensor::from_vec(noise, map.shape(), map.device())?;
    Ok((map + (noise * f64::from(FUSED_NOISE))?)?)
}
