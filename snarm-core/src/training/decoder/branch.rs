//! One branch, as [`crate::models::snarm::decoder`] describes it, for a batch.

use candle_core::Tensor;
use snarm_kernels::Grid;
use snarm_kernels::batch_norm::Statistics;

use super::{Batch, Mode, Net, Observe};
use crate::error::Result;
use crate::models::scan_order::snarm_orders;
use crate::models::snarm::decoder::{DEPTH, DILATIONS, EPS, ORDERS, Stage};
use crate::training::ops::{
    Maps, Projection, Scanned, causal_conv, conv3x3, dropout, layer_norm, linear, projected_logits, replace,
    rms_norm, selective_scan, take,
};

/// Side of the square of taps.
const SIDE: usize = 3;

impl Net<'_> {
    /// Logits (orders, images, tokens) in the order of the map, and the statistics at each view.
    pub(super) fn branch(
        &self,
        b: usize,
        batch: &Batch,
        mode: Mode,
        observe: &mut Observe<'_>,
    ) -> Result<(Tensor, Vec<Statistics>)> {
        let get = |name: &str| self.variables.get(name);
        let read = Tensor::cat(&[&batch.inter, &batch.intra], 1)?;
        let embedded = linear(
            &read,
            get(&format!("conv_list.{b}.weight"))?,
            Some(get(&format!("conv_list.{b}.bias"))?),
        )?;
        observe(Stage::Embedded, &embedded);
        let mut stream = take(&embedded, batch.places.orders.clone())?;
        let mut hidden = None;
        for layer in 0..DEPTH {
            if let Some(hidden) = &hidden {
                stream = (hidden + stream)?;
            }
            observe(Stage::Stream(layer), &stream);
            hidden = Some(self.block(&format!("mamba_list.{b}.{layer}"), layer, &stream, batch, observe)?);
        }
        let mut hidden = match hidden {
            Some(hidden) => hidden,
            None => stream.zeros_like()?,
        };
        if let Mode::Train { key, dropout: p } = mode {
            hidden = dropout(&hidden, p, key)?;
        }
        let (weight, bias) = (get(&format!("norm_list.{b}.weight"))?, get(&format!("norm_list.{b}.bias"))?);
        let normed = layer_norm(&(hidden + stream)?, weight, bias, EPS)?;
        observe(Stage::Normed, &normed);
        self.views(b, &normed, batch, mode)
    }

    fn block(
        &self,
        name: &str,
        layer: usize,
        stream: &Tensor,
        batch: &Batch,
        observe: &mut Observe<'_>,
    ) -> Result<Tensor> {
        let get = |part: &str| self.variables.get(&format!("{name}.{part}"));
        let normed = rms_norm(stream, get("norm.weight")?, EPS)?;
        let maps = Maps { side: batch.grid, dilation: 1, groups: 1 };
        let hidden = conv3x3(&normed, get("conv.weight")?, Some(get("conv.bias")?), maps)?;
        if !self.parts.mamba {
            return Ok(hidden);
        }
        let hard = take(&hidden, batch.places.hard.clone())?;
        observe(Stage::MixerIn(layer), &hard);
        let mixed = self.mixer(&format!("{name}.mixer"), &hard, batch.places.len)?;
        observe(Stage::MixerOut(layer), &mixed);
        let hidden = replace(&hidden, &mixed, batch.places.mixed.clone())?;
        observe(Stage::Hidden(layer), &hidden);
        Ok(hidden)
    }

    /// Mixes sequences of `len` tokens: x (rows, channels), the variables' names starting with `name` and a dot.
    ///
    /// # Errors
    /// When a variable is missing or x is no whole sequences.
    pub fn mixer(&self, name: &str, x: &Tensor, len: usize) -> Result<Tensor> {
        let get = |part: &str| self.variables.get(&format!("{name}.{part}"));
        let (inner, rank) = (self.shape.inner(), self.shape.rank());
        let in_proj = get("in_proj.weight")?;
        let input = linear(x, &in_proj.narrow(0, 0, inner)?, None)?;
        let z = linear(x, &in_proj.narrow(0, inner, inner)?, None)?;
        // (inner, 1, 4) -> (4, inner)
        let taps = get("conv1d.weight")?.squeeze(1)?.t()?.contiguous()?;
        let u = causal_conv(&input, &taps, get("conv1d.bias")?, len)?;
        let projected = linear(&u, get("x_proj.weight")?, None)?;
        let delta = linear(&projected.narrow(1, 0, rank)?.contiguous()?, get("dt_proj.weight")?, None)?;
        let a = get("A_log")?.exp()?.neg()?.t()?.contiguous()?;
        let read = Scanned {
            u: &u,
            delta: &delta,
            z: Some(&z),
            bc: &projected,
            a: &a,
            skip: get("D")?,
            bias: get("dt_proj.bias")?,
        };
        Ok(linear(&selective_scan(read, len)?, get("out_proj.weight")?, None)?)
    }

    fn views(
        &self,
        b: usize,
        normed: &Tensor,
        batch: &Batch,
        mode: Mode,
    ) -> Result<(Tensor, Vec<Statistics>)> {
        let c = self.shape.channels;
        let name = |order: usize, part: &str| format!("head_list.{}.{part}", b * ORDERS + order);
        let all = |part: &str, shape: &[usize]| -> Result<Tensor> {
            let parts =
                (0..ORDERS).map(|order| Ok(self.variables.get(&name(order, part))?.reshape(shape)?));
            Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?)
        };
        // Maps lie in the order of their scan; so must the taps.
        let taps = (0..ORDERS).map(|order| {
            let places = snarm_orders(Grid::square(SIDE))[order].clone();
            let places = Tensor::from_vec(places, SIDE * SIDE, normed.device())?;
            let weight = self.variables.get(&name(order, "0.conv.weight"))?;
            let turned = weight.reshape((c * c, SIDE * SIDE))?.index_select(&places, 1)?;
            Ok(turned.reshape((c, c, SIDE, SIDE))?)
        });
        let taps = Tensor::cat(&taps.collect::<Result<Vec<_>>>()?, 0)?;
        let maps = Maps { side: batch.grid, dilation: DILATIONS[b], groups: ORDERS };
        let seen = conv3x3(normed, &taps, None, maps)?;
        let (norm_weight, norm_bias) = (all("0.norm.weight", &[1, c])?, all("0.norm.bias", &[1, c])?);
        let (weight, bias) = (all("1.weight", &[1, c])?, all("1.bias", &[1])?);
        let (logits, statistics) = match mode {
            Mode::Train { .. } => {
                let read = Projection {
                    norm_weight: &norm_weight,
                    norm_bias: &norm_bias,
                    weight: &weight,
                    bias: &bias,
                };
                projected_logits(&seen, read, EPS)?
            }
            Mode::Validate => {
                let gathered = |part: &str| -> Result<Tensor> {
                    let parts =
                        (0..ORDERS).map(|order| Ok(self.buffers.get(&name(order, part))?.reshape((1, c))?));
                    Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?.reshape((ORDERS, 1, c))?)
                };
                let rows = seen.reshape((ORDERS, (), c))?;
                let spread = |t: &Tensor| t.reshape((ORDERS, 1, c));
                let deviation = (gathered("0.norm.running_var")? + f64::from(EPS))?.sqrt()?;
                let normed =
                    rows.broadcast_sub(&gathered("0.norm.running_mean")?)?.broadcast_div(&deviation)?;
                let normed = normed
                    .broadcast_mul(&spread(&norm_weight)?)?
                    .broadcast_add(&spread(&norm_bias)?)?
                    .relu()?;
                let logits = normed.broadcast_mul(&spread(&weight)?)?.sum(2)?;
                (logits.broadcast_add(&bias.reshape((ORDERS, 1))?)?.flatten_all()?, Vec::new())
            }
        };
        let rows = logits.elem_count();
        let logits = take(&logits.reshape((rows, 1))?, batch.places.rows.clone())?;
        Ok((logits, statistics))
    }
}
