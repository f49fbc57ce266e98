//! Focal loss at the resolution of the masks, its gradient taken along with it.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use snarm_kernels::focal as kernel;
use snarm_kernels::focal::{Focal, Of, Sides};

use super::{composed, gradient, made, on_kernels, refused, slice};

/// What maps are compared with.
#[derive(Debug, Clone)]
pub struct Target {
    /// Masks (images, to, to) of zeros and ones; map i belongs to mask i mod images.
    pub masks: Arc<Vec<u8>>,
    /// Sides of maps and masks.
    pub sides: Sides,
}

/// The mean focal loss of maps (maps, from, from) of any shape, resampled to the masks.
///
/// # Errors
/// When maps and masks do not fit each other.
pub fn focal(maps: &Tensor, of: Of, target: &Target, constants: Focal) -> Result<Tensor> {
    if !on_kernels(maps) {
        return composed::focal(maps, of, target, constants);
    }
    maps.apply_op1(Loss { of, target: target.clone(), constants, gradient: OnceLock::new() })
}

struct Loss {
    of: Of,
    target: Target,
    constants: Focal,
    /// Of the maps, found together with the loss.
    gradient: OnceLock<Vec<f32>>,
}

impl CustomOp1 for Loss {
    fn name(&self) -> &'static str {
        "focal"
    }

    fn cpu_fwd(&self, maps: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let maps = slice(maps, layout)?;
        let mut slopes = vec![0.0; maps.len()];
        let Target { masks, sides } = &self.target;
        let loss =
            kernel::focal(maps, self.of, *sides, &**masks, self.constants, &mut slopes).map_err(refused)?;
        // Set once: an op runs forwards once.
        let _ = self.gradient.set(slopes);
        made(vec![loss as f32], ())
    }

    fn bwd(&self, maps: &Tensor, _loss: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let scale = dy.to_scalar::<f32>()?;
        let slopes = self.gradient.get().map(Vec::as_slice).unwrap_or_default();
        gradient(slopes.iter().map(|slope| slope * scale).collect(), maps)
    }
}
