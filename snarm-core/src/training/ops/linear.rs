//! y = x W^T + b.

use candle_core::{CpuStorage, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, bail};
use snarm_kernels::linear::{self as kernel, Panels, Then, bias_gradient, input_gradient};
use snarm_kernels::outer::outer;

use super::{Values, composed, gradient, made, on_kernels, refused, slice, width};

/// A linear layer over the last dimension: x (.., k), weight (n, k), bias (n) -> (.., n). A weight of more dimensions, as
/// a convolution over patches has it, is n rows of k as it lies.
///
/// # Errors
/// When a shape does not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (n, k) = (weight.dim(0)?, width(x));
    if k == 0 || weight.elem_count() != n * k {
        bail!("linear: expected a weight of rows of {k}, found {:?}", weight.dims());
    }
    if let Some(bias) = bias
        && bias.dims() != [n]
    {
        bail!("linear: expected a bias of {n}, found {:?}", bias.dims());
    }
    if !on_kernels(x) {
        return composed::linear(x, weight, bias);
    }
    match bias {
        Some(bias) => x.apply_op3(weight, bias, Linear),
        None => x.apply_op3(weight, &Tensor::zeros(n, DType::F32, &Device::Cpu)?, Linear),
    }
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (slice(x, x_layout)?, slice(bias, bias_layout)?);
        let mut dims = x_layout.dims().to_vec();
        let Some(last) = dims.last_mut() else { bail!("linear: expected rows, found a scalar") };
        let (n, k) = (bias.len(), std::mem::replace(last, bias.len()));
        let panels = Panels::from_transposed(slice(weight, weight_layout)?, n, k);
        let mut y = vec![0.0; x.len() / k * n];
        kernel::linear(x, &panels, bias, Then::Store, &mut y).map_err(refused)?;
        made(y, dims)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, k, dy) = (weight.dim(0)?, width(x), dy.contiguous()?);
        let dy = Values::of(&dy)?;
        let mut dx = None;
        if x.track_op() {
            let mut values = vec![0.0; x.elem_count()];
            input_gradient(&dy, &Values::of(weight)?, n, k, &mut values).map_err(refused)?;
            dx = gradient(values, x)?;
        }
        let mut dweight = None;
        if weight.track_op() {
            let mut values = vec![0.0; n * k];
            outer(&dy, n, &Values::of(x)?, k, &mut values).map_err(refused)?;
            dweight = gradient(values, weight)?;
        }
        let mut dbias = None;
        if bias.track_op() {
            let mut values = vec![0.0; n];
            bias_gradient(&dy, &mut values).map_err(refused)?;
            dbias = gradient(values, bias)?;
        }
        Ok((dx, dweight, dbias))
    }
}
