//! Norms of rows.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use snarm_kernels::add_norm::backward::norm_backward;
use snarm_kernels::add_norm::{self as kernel, Norm};

use super::{Values, composed, gradient, made, on_kernels, refused, slice};

/// x / sqrt(mean(x^2) + eps) w, over the last dimension.
///
/// # Errors
/// When the weight has not the width of a row.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32) -> Result<Tensor> {
    if !on_kernels(x) {
        return composed::rms_norm(x, weight, eps);
    }
    x.apply_op2(weight, RmsNorm { eps })
}

/// (x - mean) / sqrt(var + eps) w + b, over the last dimension.
///
/// # Errors
/// When weight or bias have not the width of a row.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    if !on_kernels(x) {
        return composed::layer_norm(x, weight, bias, eps);
    }
    x.apply_op3(weight, bias, LayerNorm { eps })
}

struct RmsNorm {
    eps: f32,
}

struct LayerNorm {
    eps: f32,
}

fn forward(x: &[f32], layout: &Layout, norm: Norm<&[f32]>, eps: f32) -> Result<(CpuStorage, Shape)> {
    let mut y = vec![0.0; x.len()];
    kernel::norm(x, norm, eps, &mut y).map_err(refused)?;
    made(y, layout.shape().clone())
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        forward(slice(x, x_l)?, x_l, Norm::Rms { weight: slice(w, w_l)? }, self.eps)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (mut dx, mut dw) = (vec![0.0; x.elem_count()], vec![0.0; weight.elem_count()]);
        let values = Values::of(weight)?;
        let norm = Norm::Rms { weight: &values };
        norm_backward(&Values::of(x)?, norm, self.eps, &Values::of(&dy)?, &mut dx, &mut dw, &mut [])
            .map_err(refused)?;
        Ok((gradient(dx, x)?, gradient(dw, weight)?))
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_l: &Layout,
        w: &CpuStorage,
        w_l: &Layout,
        b: &CpuStorage,
        b_l: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let norm = Norm::Layer { weight: slice(w, w_l)?, bias: slice(b, b_l)? };
        forward(slice(x, x_l)?, x_l, norm, self.eps)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (mut dx, mut dw, mut db) =
            (vec![0.0; x.elem_count()], vec![0.0; weight.elem_count()], vec![0.0; bias.elem_count()]);
        let (w, b) = (Values::of(weight)?, Values::of(bias)?);
        let norm = Norm::Layer { weight: &w, bias: &b };
        norm_backward(&Values::of(x)?, norm, self.eps, &Values::of(&dy)?, &mut dx, &mut dw, &mut db)
            .map_err(refused)?;
        Ok((gradient(dx, x)?, gradient(dw, weight)?, gradient(db, bias)?))
    }
}
