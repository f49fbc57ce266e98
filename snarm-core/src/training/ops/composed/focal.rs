//! Focal loss at the resolution of the masks.

use candle_core::{Result, Tensor, bail};
use snarm_kernels::focal::{Focal, Of};
use snarm_kernels::upsample::{Corners, Upsample};

use super::super::{Target, refused};
use super::softplus;

/// Maps are resampled by a product from either side with the matrix of the kernel's weights; then the loss is that of the
/// kernel, formula by formula.
pub(in super::super) fn focal(maps: &Tensor, of: Of, target: &Target, constants: Focal) -> Result<Tensor> {
    let (from, to) = (target.sides.from, target.sides.to);
    let (cells, pixels) = ((from * from).max(1), (to * to).max(1));
    let (n, images) = (maps.elem_count() / cells, target.masks.len() / pixels);
    let fits = n * cells == maps.elem_count() && images * pixels == target.masks.len();
    if !fits || n == 0 || images == 0 || !n.is_multiple_of(images) {
        bail!("focal: expected a whole number of maps for each mask, found {n} maps and {images} masks");
    }
    let device = maps.device();
    let along = Tensor::from_vec(resampling(from, to)?, (to, from), device)?.t()?;
    // (maps, columns, rows): both are turned, maps and masks.
    let values = maps.reshape((n * from, from))?.matmul(&along)?.reshape((n, from, to))?.transpose(1, 2)?;
    let values = values.contiguous()?.reshape((n * to, from))?.matmul(&along)?;
    let values = values.reshape((n / images, images, to, to))?;
    let marked: Vec<f32> = target.masks.iter().map(|mark| f32::from(u8::from(*mark != 0))).collect();
    let marked = Tensor::from_vec(marked, (1, images, to, to), device)?.transpose(2, 3)?.contiguous()?;
    let (alpha, gamma) = (f64::from(constants.alpha), f64::from(constants.gamma));
    let weight = marked.affine(2.0 * alpha - 1.0, 1.0 - alpha)?;
    // 1 at a defective pixel, -1 at another.
    let sign = marked.affine(2.0, -1.0)?;
    let loss = match of {
        Of::Logits => {
            let u = values.broadcast_mul(&sign)?;
            let cost = softplus(&u.neg()?)?;
            (((u + &cost)? * -gamma)?.exp()? * cost)?
        }
        Of::Probabilities => {
            let right = values.broadcast_mul(&sign)?.broadcast_add(&(1.0 - &marked)?)?;
            let least = f64::from(f32::MIN_POSITIVE);
            let (right, wrong) = (right.maximum(least)?, (1.0 - right)?.maximum(least)?);
            (wrong.powf(gamma)? * right.log()?.neg()?)?
        }
    };
    loss.broadcast_mul(&weight)?.mean_all()
}

/// The weights (to, from) by which a line of cells becomes one of pixels: what the kernel makes of the unit vectors.
fn resampling(from: usize, to: usize) -> Result<Vec<f32>> {
    let units: Vec<f32> = (0..from * from).map(|i| f32::from(u8::from(i % (from + 1) == 0))).collect();
    let mut weights = vec![0.0; to * from];
    Upsample::new((from, 1), (to, 1), from, Corners::Centres).run(&units, &mut weights).map_err(refused)?;
    Ok(weights)
}
