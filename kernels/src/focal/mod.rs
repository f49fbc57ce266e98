//! Focal loss (Lin et al. 2017) of maps that are brought to the size of a mask first, and its gradient with respect to the
//! small maps: -a (1 - p)^g y ln p - (1 - a) p^g (1 - y) ln(1 - p), meaned over all pixels of all maps.
//!
//! Maps are resampled bilinearly with the centres of the corner cells on each other (align_corners = true). They hold
//! logits, which are resampled as such and then go through a sigmoid, or probabilities.
//!
//! # Shapes
//! x (maps, from, from), masks (images, to, to) of zeros and ones; map i belongs to mask i mod images. dx as x.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::device::{BufferView, BufferViewMut};
use crate::error::{Error, Result, check_len};

const OP: &str = "focal";

/// What maps hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Logits z, with p = sigmoid(z) at each pixel.
    Logits,
    /// Probabilities p.
    Probabilities,
}

/// Constants of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Focal {
    /// Weight of the defective pixels; the others have 1 - alpha.
    pub alpha: f32,
    /// Power by which pixels that are judged well already lose weight.
    pub gamma: f32,
}

/// Sides of the maps and of the masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// Of a map.
    pub from: usize,
    /// Of a mask.
    pub to: usize,
}

/// Returns the loss and writes its gradient to `dx`.
///
/// # Errors
/// When there are no maps, a length does not fit, or an operand lives on a device.
pub fn focal<'a>(
    x: impl Into<BufferView<'a>>,
    of: Of,
    sides: Sides,
    masks: impl Into<BufferView<'a, u8>>,
    constants: Focal,
    dx: impl Into<BufferViewMut<'a>>,
) -> Result<f64> {
    let (x, masks, dx) = (x.into().host(OP)?, masks.into().host(OP)?, dx.into().host(OP)?);
    let Sides { from, to } = sides;
    let (maps, images) = (x.len() / (from * from).max(1), masks.len() / (to * to).max(1));
    check_len(OP, "x", maps * from * from, x.len())?;
    check_len(OP, "masks", images * to * to, masks.len())?;
    check_len(OP, "dx", x.len(), dx.len())?;
    if images == 0 || maps == 0 || !maps.is_multiple_of(images) {
        let expected = "a whole number of maps for each mask".to_owned();
        return Err(Error::Shape { op: OP, expected, found: format!("{maps} maps and {images} masks") });
    }
    Ok(cpu::focal(x, of, sides, masks, constants, dx))
}
