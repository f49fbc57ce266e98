//! Dropout without a generator: the key says what is dropped, forwards and backwards.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use snarm_kernels::dropout as kernel;

use super::{Values, composed, gradient, made, on_kernels, refused, slice};

/// Drops elements with probability `p`; those that stay are divided by 1 - p.
///
/// # Errors
/// When p is not from 0 to below 1.
pub fn dropout(x: &Tensor, p: f32, key: u64) -> Result<Tensor> {
    if p == 0.0 {
        return Ok(x.clone());
    }
    if !on_kernels(x) {
        return composed::dropout(x, p, key);
    }
    x.apply_op1(Dropout { p, key })
}

struct Dropout {
    p: f32,
    key: u64,
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = slice(x, layout)?.to_vec();
        kernel::dropout(&mut y, self.p, self.key).map_err(refused)?;
        made(y, layout.shape().clone())
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        let mut dx = Values::of(&dy)?.to_vec();
        kernel::dropout(&mut dx, self.p, self.key).map_err(refused)?;
        gradient(dx, x)
    }
}
