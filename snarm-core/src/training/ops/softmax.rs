//! Softmax of rows.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use snarm_kernels::softmax as kernel;

use super::{Values, composed, gradient, made, on_kernels, refused, slice, width};

/// e^x over its sum, over the last dimension.
///
/// # Errors
/// When x does not lie row after row.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    if !on_kernels(x) {
        return composed::softmax(x);
    }
    x.apply_op1(Softmax)
}

struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let n = layout.dims().last().copied().unwrap_or(1);
        let x = slice(x, layout)?;
        let mut y = vec![0.0; x.len()];
        kernel::softmax(x, n, &mut y).map_err(refused)?;
        made(y, layout.shape().clone())
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        kernel::softmax_gradient(&Values::of(y)?, &Values::of(&dy)?, width(x), &mut dx).map_err(refused)?;
        gradient(dx, x)
    }
}
