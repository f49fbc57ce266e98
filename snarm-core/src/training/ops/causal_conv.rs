//! Mamba's short convolution with SiLU.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use snarm_kernels::causal_conv as kernel;
use snarm_kernels::causal_conv::backward::{Gradients, causal_conv_backward};

use super::{Values, composed, gradient, made, on_kernels, refused, slice};

/// Filters sequences of `len` tokens: x (rows, d), taps (4, d), bias (d) -> silu of the filtered rows.
///
/// # Errors
/// When a shape does not fit.
pub fn causal_conv(x: &Tensor, taps: &Tensor, bias: &Tensor, len: usize) -> Result<Tensor> {
    if !on_kernels(x) {
        return composed::causal_conv(x, taps, bias, len);
    }
    x.apply_op3(taps, bias, CausalConv { len })
}

struct CausalConv {
    len: usize,
}

impl CustomOp3 for CausalConv {
    fn name(&self) -> &'static str {
        "causal_conv"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        taps: &CpuStorage,
        taps_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, x_layout)?;
        let mut y = vec![0.0; x.len()];
        let (taps, bias) = (slice(taps, taps_layout)?, slice(bias, bias_layout)?);
        kernel::causal_conv(x, self.len, taps, bias, &mut y).map_err(refused)?;
        made(y, x_layout.shape().clone())
    }

    fn bwd(
        &self,
        x: &Tensor,
        taps: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (mut dx, mut dw, mut db) =
            (vec![0.0; x.elem_count()], vec![0.0; taps.elem_count()], vec![0.0; bias.elem_count()]);
        let gradients = Gradients { x: &mut dx, w: &mut dw, bias: &mut db };
        let (values, taps_values, bias_values) = (Values::of(x)?, Values::of(taps)?, Values::of(bias)?);
        causal_conv_backward(&values, self.len, &taps_values, &bias_values, &Values::of(&dy)?, gradients)
            .map_err(refused)?;
        Ok((gradient(dx, x)?, gradient(dw, taps)?, gradient(db, bias)?))
    }
}
