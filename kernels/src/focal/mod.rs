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

use crate::error::{Error, Result, check_len};

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
/// When there are no maps, or a length does not fit.
pub fn focal(x: &[f32], of: Of, sides: Sides, masks: &[u8], constants: Focal, dx: &mut [f32]) -> Result<f64> {
    const OP: &str = "focal";
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
