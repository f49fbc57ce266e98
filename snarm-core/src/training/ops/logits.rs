//! The end of a view: batch norm with the statistics of the batch, ReLU, and a projection to a logit, as one op that keeps
//! none of what lies between.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use snarm_kernels::batch_norm::{Affine, Statistics, batch_norm_relu, batch_norm_relu_backward};
use snarm_kernels::row_dot::row_dot;

use super::projection::Projection;
use super::{Values, composed, gradient, made, on_kernels, refused, slice, width};

/// Logits (views * rows) of x (views * rows, c), and the statistics of each view's rows.
///
/// # Errors
/// When a shape does not fit.
pub fn projected_logits(x: &Tensor, read: Projection<'_>, eps: f32) -> Result<(Tensor, Vec<Statistics>)> {
    let (views, c) = (read.bias.elem_count(), width(x));
    for parameter in [read.norm_weight, read.norm_bias, read.weight] {
        if parameter.dims() != [views, c] {
            bail!(
                "projected logits: expected parameters of {views} views of {c} channels, found {:?}",
                parameter.dims()
            );
        }
    }
    if x.elem_count() == 0 || !(x.elem_count() / c).is_multiple_of(views) {
        bail!("projected logits: expected rows for {views} views, found {:?}", x.dims());
    }
    if !on_kernels(x) {
        return composed::projected_logits(x, read, eps);
    }
    let bias = read.bias.reshape((views, 1))?;
    let parameters = Tensor::cat(&[read.norm_weight, read.norm_bias, read.weight, &bias], 1)?;
    let statistics = {
        let values = Values::of(x)?;
        let parts = values.chunks_exact(values.len() / views);
        parts.map(|x| Statistics::of(x, c).map_err(refused)).collect::<Result<Vec<_>>>()?
    };
    let logits = x.apply_op2(&parameters, Logits { c, eps, statistics: statistics.clone() })?;
    Ok((logits, statistics))
}

struct Logits {
    c: usize,
    eps: f32,
    statistics: Vec<Statistics>,
}

/// Parameters of one view, as they are packed.
struct PackedParameters<'a> {
    affine: Affine<&'a [f32]>,
    weight: &'a [f32],
    bias: f32,
}

impl<'a> PackedParameters<'a> {
    fn of(packed: &'a [f32], c: usize) -> Self {
        let affine = Affine { weight: &packed[..c], bias: &packed[c..2 * c] };
        Self { affine, weight: &packed[2 * c..3 * c], bias: packed[3 * c] }
    }
}

impl CustomOp2 for Logits {
    fn name(&self) -> &'static str {
        "logits"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        p: &CpuStorage,
        p_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, parameters, c) = (slice(x, x_l)?, slice(p, p_l)?, self.c);
        let views = self.statistics.len();
        let mut logits = vec![0.0; x.len() / c];
        let mut normed = vec![0.0; x.len() / views];
        let parts = x.chunks_exact(x.len() / views).zip(logits.chunks_exact_mut(x.len() / c / views));
        for ((stats, packed), (x, logits)) in
            self.statistics.iter().zip(parameters.chunks_exact(3 * c + 1)).zip(parts)
        {
            let view = PackedParameters::of(packed, c);
            batch_norm_relu(x, stats, view.affine, self.eps, &mut normed).map_err(refused)?;
            row_dot(&normed, view.weight, view.bias, logits).map_err(refused)?;
        }
        let rows = logits.len();
        made(logits, rows)
    }

    fn bwd(
        &self,
        x: &Tensor,
        p: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (c, views, dy) = (self.c, self.statistics.len(), dy.contiguous()?);
        let (xs, parameters, dys) = (Values::of(x)?, Values::of(p)?, Values::of(&dy)?);
        let (mut dx, mut dp) = (vec![0.0; xs.len()], vec![0.0; parameters.len()]);
        let (mut normed, mut back) = (vec![0.0; xs.len() / views], vec![0.0; xs.len() / views]);
        for (view, stats) in self.statistics.iter().enumerate() {
            let part = |len: usize| view * (len / views)..(view + 1) * (len / views);
            let (x, dy) = (&xs[part(xs.len())], &dys[part(dys.len())]);
            let read = PackedParameters::of(&parameters[part(parameters.len())], c);
            let (norm, rest) = dp[part(parameters.len())].split_at_mut(2 * c);
            let (dweight, dbias) = rest.split_at_mut(c);
            batch_norm_relu(x, stats, read.affine, self.eps, &mut normed).map_err(refused)?;
            for ((row, back), dy) in normed.chunks_exact(c).zip(back.chunks_exact_mut(c)).zip(dy) {
                for j in 0..c {
                    dweight[j] += dy * row[j];
                    back[j] = dy * read.weight[j];
                }
                dbias[0] += dy;
            }
            let (to_weight, to_bias) = norm.split_at_mut(c);
            let dx = &mut dx[part(xs.len())];
            batch_norm_relu_backward(x, stats, read.affine, self.eps, &back, dx, to_weight, to_bias)
                .map_err(refused)?;
        }
        Ok((gradient(dx, x)?, gradient(dp, p)?))
    }
}
