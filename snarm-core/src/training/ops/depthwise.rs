//! Depth-wise convolution of maps.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use snarm_kernels::depthwise::{self as kernel, Kernel, Workspace, depthwise_weight_gradient};
use snarm_kernels::linear::bias_gradient;

use super::{Values, composed, gradient, made, on_kernels, refused, slice};

/// Filters each channel by its own taps: x (maps, height, width, c), weight (c, k, k), bias (c) -> the shape of x. Around a
/// map are zeros.
///
/// # Errors
/// When a shape does not fit.
pub fn depthwise(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if !on_kernels(x) {
        return composed::depthwise(x, weight, bias);
    }
    x.apply_op3(weight, bias, Depthwise)
}

struct Depthwise;

impl CustomOp3 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
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
        let (_, height, width, _) = x_layout.shape().dims4()?;
        let x = slice(x, x_layout)?;
        let kernel = Kernel::new(slice(weight, weight_layout)?, slice(bias, bias_layout)?.to_vec());
        let kernel = kernel.map_err(refused)?;
        let mut y = vec![0.0; x.len()];
        kernel::depthwise(x, height, width, &kernel, &mut Workspace::default(), &mut y).map_err(refused)?;
        made(y, x_layout.shape().clone())
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (_, height, width, c) = x.dims4()?;
        let (side, dy) = (weight.dim(1)?, dy.contiguous()?);
        let dy = Values::of(&dy)?;
        let mut workspace = Workspace::default();
        let mut dx = None;
        if x.track_op() {
            let turned = Kernel::of_input_gradient(&Values::of(weight)?, c).map_err(refused)?;
            let mut values = vec![0.0; dy.len()];
            kernel::depthwise(&*dy, height, width, &turned, &mut workspace, &mut values).map_err(refused)?;
            dx = gradient(values, x)?;
        }
        let dw = depthwise_weight_gradient(&Values::of(x)?, &dy, height, width, c, side, &mut workspace);
        let mut db = vec![0.0; c];
        bias_gradient(&dy, &mut db).map_err(refused)?;
        Ok((dx, gradient(dw.map_err(refused)?, weight)?, gradient(db, bias)?))
    }
}
