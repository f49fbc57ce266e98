//! One view of the multi-view decoder: a dilated convolution, batch norm, ReLU, and a projection to a logit.

use snarm_kernels::Grid;
use snarm_kernels::conv3x3::{Kernel, SIDE, TAPS, Then, conv3x3};
use snarm_kernels::row_dot::row_dot;
use snarm_kernels::scatter::scatter;

use super::shape::{DILATIONS, EPS, ORDERS, Shape};
use super::workspace::Workspace;
use crate::error::Result;
use crate::layers::Source;
use crate::models::scan_order::snarm_orders;

/// Weights of a view, its batch norm folded into its convolution.
pub(super) struct DilatedBranch {
    pub(super) conv: Kernel,
    pub(super) dilation: usize,
    pub(super) weight: Vec<f32>,
    pub(super) bias: f32,
}

impl DilatedBranch {
    /// The view of that branch in that order.
    pub(super) fn read(branch: usize, order: usize, sizes: &Shape, source: &Source<'_>) -> Result<Self> {
        let (source, c) = (source.at("head_list").at(branch * ORDERS + order), sizes.channels);
        let (first, last) = (source.at(0), source.at(1));
        let norm = |part: &str| first.at("norm").get(part, &[c]);
        let (scale, shift) = (norm("weight")?, norm("bias")?);
        let (mean, var) = (norm("running_mean")?, norm("running_var")?);
        let weight = first.at("conv").get("weight", &[c, c, SIDE, SIDE])?;
        // The published decoder brings maps back to the order of the picture and then convolves them. Here they stay
        // in the order of the scan, and the taps are brought to that order instead, once.
        let places = &snarm_orders(Grid::square(SIDE))[order];
        let mut folded = vec![0.0; weight.len()];
        let mut bias = vec![0.0; c];
        for (out, (to, from)) in
            folded.chunks_exact_mut(c * TAPS).zip(weight.chunks_exact(c * TAPS)).enumerate()
        {
            let gain = f64::from(scale[out]) / (f64::from(var[out]) + f64::from(EPS)).sqrt();
            for (to, from) in to.chunks_exact_mut(TAPS).zip(from.chunks_exact(TAPS)) {
                let taps = to.iter_mut().zip(places);
                taps.for_each(|(to, place)| *to = (f64::from(from[*place as usize]) * gain) as f32);
            }
            bias[out] = (f64::from(shift[out]) - f64::from(mean[out]) * gain) as f32;
        }
        Ok(Self {
            conv: Kernel::new(&folded, bias)?.in_precision(source.precision()),
            dilation: DILATIONS[branch],
            weight: last.get("weight", &[1, c, 1, 1])?,
            bias: last.single("bias")?,
        })
    }

    /// Writes the logits of what a branch made of that order, as view number `number`.
    pub(super) fn run(&self, number: usize, order: usize, w: &mut Workspace) -> Result<()> {
        let tokens = w.tokens();
        let seen = &w.normed[order * tokens * w.channels..][..tokens * w.channels];
        conv3x3(seen, w.shape(order), &self.conv, self.dilation, Then::Relu, &mut w.conv, &mut w.view)?;
        row_dot(&w.view, &self.weight, self.bias, &mut w.line)?;
        let places = &w.places.orders()[order * tokens..];
        Ok(scatter(&w.line, &places[..tokens], number, w.views, &mut w.logits)?)
    }
}
