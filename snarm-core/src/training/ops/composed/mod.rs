//! The ops as compositions of candle's own differentiable ones, for a device that the project's kernels do not know. What
//! is computed is the same; `super::on_kernels` chooses.
//!
//! What a GPU is good at decides the form. Convolutions are single products of matrices, since candle walks the groups of
//! its own one at a time and sums its gradient in a naive loop. Rows are gathered backwards as well as forwards, since
//! candle's `index_add` walks all rows in each of a few threads. The scan is a tree, not a chain. Nothing is summed in an
//! order that depends on the scheduler of the device.

mod focal;
mod maps;
mod rows;
mod scan;

pub(super) use self::focal::focal;
pub(super) use self::maps::{conv3x3, depthwise};
pub(super) use self::rows::{replace, take};
pub(super) use self::scan::selective_scan;

use candle_core::{D, Result, Tensor};
use snarm_kernels::batch_norm::Statistics;

use super::projection::Projection;
use super::refused;

/// x W^T + b over the last dimension.
pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let (n, k) = (weight.dim(0)?, dims.pop().unwrap_or(1));
    dims.push(n);
    let y = x.reshape(((), k))?.matmul(&weight.reshape((n, k))?.t()?)?;
    match bias {
        Some(bias) => y.broadcast_add(bias)?.reshape(dims),
        None => y.reshape(dims),
    }
}

/// e^x over its sum; what is subtracted first cancels out, in the gradient as well.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    let power = x.broadcast_sub(&x.max_keepdim(D::Minus1)?.detach())?.exp()?;
    power.broadcast_div(&power.sum_keepdim(D::Minus1)?)
}

/// x / sqrt(mean(x^2) + eps) w
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    let square = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(eps))?;
    x.broadcast_div(&square.sqrt()?)?.broadcast_mul(weight)
}

/// (x - mean) / sqrt(var + eps) w + b
pub(super) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    rms_norm(&centred, weight, eps)?.broadcast_add(bias)
}

/// x times what the kernel makes of ones: elements are dropped as on the CPU, on any device.
pub(super) fn dropout(x: &Tensor, p: f32, key: u64) -> Result<Tensor> {
    let mut kept = vec![1.0; x.elem_count()];
    snarm_kernels::dropout::dropout(&mut kept, p, key).map_err(refused)?;
    x * Tensor::from_vec(kept, x.shape(), x.device())?
}

/// The sum of four shifted rows, through SiLU.
pub(super) fn causal_conv(x: &Tensor, taps: &Tensor, bias: &Tensor, len: usize) -> Result<Tensor> {
    let (width, d) = taps.dims2()?;
    let sequences = x.reshape(((), len, d))?.pad_with_zeros(1, width - 1, 0)?;
    let mut sum = sequences.narrow(1, 0, len)?.broadcast_mul(&taps.get(0)?)?;
    for tap in 1..width {
        sum = (sum + sequences.narrow(1, tap, len)?.broadcast_mul(&taps.get(tap)?)?)?;
    }
    sum.broadcast_add(bias)?.silu()?.reshape(x.shape())
}

/// Batch norm, ReLU and projection of all views at once.
pub(super) fn projected_logits(
    x: &Tensor,
    read: Projection<'_>,
    eps: f32,
) -> Result<(Tensor, Vec<Statistics>)> {
    let (views, c) = read.weight.dims2()?;
    let spread = |parameter: &Tensor| parameter.reshape((views, 1, ()));
    let x = x.reshape((views, (), c))?;
    let mean = x.mean_keepdim(1)?;
    let centred = x.broadcast_sub(&mean)?;
    let var = centred.sqr()?.mean_keepdim(1)?;
    let rows = |t: &Tensor| t.squeeze(1)?.to_vec2::<f32>();
    let statistics =
        rows(&mean)?.into_iter().zip(rows(&var)?).map(|(mean, var)| Statistics { mean, var }).collect();
    let normed = centred.broadcast_div(&(var + f64::from(eps))?.sqrt()?)?;
    let normed =
        normed.broadcast_mul(&spread(read.norm_weight)?)?.broadcast_add(&spread(read.norm_bias)?)?.relu()?;
    let logits = normed.broadcast_mul(&spread(read.weight)?)?.sum(2)?;
    Ok((logits.broadcast_add(&read.bias.reshape((views, 1))?)?.flatten_all()?, statistics))
}

/// ln(1 + e^x) = max(x, 0) + ln(1 + t) with t = e^-|x|. What rounding took from 1 + t is added afterwards: steps of the
/// scan are small, and must not be known to 6e-8 of one alone. Their slope is that of the logarithm.
fn softplus(x: &Tensor) -> Result<Tensor> {
    let t = x.abs()?.neg()?.exp()?;
    let w = (&t + 1.0)?;
    let lost = ((&t - (&w - 1.0)?)? / &w)?.detach();
    (x.relu()? + w.log()?)? + lost
}
