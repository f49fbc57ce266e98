//! GELU, exact form.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use snarm_kernels::gelu as kernel;

use super::{Values, gradient, made, on_kernels, refused, slice};

/// x P(N(0, 1) <= x), element by element.
///
/// # Errors
/// When x does not lie row after row.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if !on_kernels(x) {
        return x.gelu_erf();
    }
    x.apply_op1(Gelu)
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, layout)?;
        let mut y = vec![0.0; x.len()];
        kernel::gelu(x, &mut y).map_err(refused)?;
        made(y, layout.shape().clone())
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = vec![0.0; x.elem_count()];
        kernel::gelu_gradient(&Values::of(x)?, &Values::of(&dy)?, &mut dx).map_err(refused)?;
        gradient(dx, x)
    }
}
