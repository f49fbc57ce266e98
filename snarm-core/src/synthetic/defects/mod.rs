//! Defects beside those of Perlin masks: thin ones, smooth ones, misplaced parts, and changes of what is there.

mod blob;
mod local;
mod patch;
mod scratch;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::dataset::{Mask, Picture};
use crate::error::Result;

/// A kind of defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum DefectKind {
    /// Thin lines: smooth scratches, or cracks with kinks and branches.
    Scratch,
    /// A blob that darkens, tints or bleaches, with a soft edge.
    Stain,
    /// A piece of the image in another place, turned, or missing.
    Patch,
    /// A blob out of focus.
    Blur,
    /// A blob of another hue, saturation or brightness.
    Colour,
}

impl DefectKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Scratch, Self::Stain, Self::Patch, Self::Blur, Self::Colour];

    /// Name in reports and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Stain => "stain",
            Self::Patch => "patch",
            Self::Blur => "blur",
            Self::Colour => "colour",
        }
    }

    /// Draws one defect of this kind whose middle lies in `on`.
    ///
    /// # Errors
    /// When the fields of the picture do not fit each other.
    pub(crate) fn draw(self, picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Result<Change> {
        Ok(match self {
            Self::Scratch => scratch::draw(picture, on, rng),
            Self::Stain => local::stain(picture, on, rng),
            Self::Patch => patch::draw(picture, on, rng),
            Self::Blur => local::blur(picture, on, rng)?,
            Self::Colour => local::colour(picture, on, rng),
        })
    }
}

/// What a defect puts where: `weights` (0 to 1, one for each pixel) of `source`.
pub(crate) struct Change {
    pub(crate) weights: Vec<f32>,
    pub(crate) source: Picture,
}

/// Weights below this are no part of a defect: nobody would see them, and masks would have wide rims.
const VISIBLE: f32 = 0.12;

impl Change {
    /// The image with the defect, its mask, and the mean change within the mask in levels of 255. Pixels outside the
    /// mask, and outside `on`, stay as they are.
    pub(crate) fn apply(&self, picture: &Picture, on: &Mask) -> (Picture, Mask, f64) {
        let mut out = picture.clone();
        let mut mask = Mask::empty(picture.width, picture.height);
        let (mut change, mut marked) = (0u64, 0u64);
        for (i, &weight) in self.weights.iter().enumerate() {
            if weight < VISIBLE || !on.data[i] {
                continue;
            }
            mask.data[i] = true;
            marked += 3;
            for j in 3 * i..3 * i + 3 {
                out.data[j] = blend(picture.data[j], self.source.data[j], weight);
                change += u64::from(out.data[j].abs_diff(picture.data[j]));
            }
        }
        (out, mask, change as f64 / marked.max(1) as f64)
    }
}

/// `weight * over + (1 - weight) * under`, cut to a whole number as published.
pub(crate) fn blend(under: u8, over: u8, weight: f32) -> u8 {
    (weight * f32::from(over) + (1.0 - weight) * f32::from(under)).clamp(0.0, 255.0) as u8
}

/// A random place in `on`, or anywhere when nothing is marked there.
fn place(on: &Mask, rng: &mut ChaCha8Rng) -> super::plane::V2 {
    let n = on.data.iter().filter(|&&v| v).count();
    let at = match n {
        0 => rng.random_range(0..on.data.len()),
        _ => {
            let nth = rng.random_range(0..n);
            on.data.iter().enumerate().filter(|(_, v)| **v).nth(nth).map_or(0, |(i, _)| i)
        }
    };
    super::plane::v2((at % on.width) as f32 + 0.5, (at / on.width) as f32 + 0.5)
}

/// Pixels that are one pixel of an image of 392.
fn unit(picture: &Picture) -> f32 {
    picture.width.min(picture.height) as f32 / 392.0
}

/// A picture made of `picture` pixel by pixel; samples are 0 to 255.
fn map(picture: &Picture, mut pixel: impl FnMut(usize, [f32; 3]) -> [f32; 3]) -> Picture {
    let mut out = picture.clone();
    for (i, samples) in out.data.chunks_exact_mut(3).enumerate() {
        let new = pixel(i, [samples[0], samples[1], samples[2]].map(f32::from));
        samples.iter_mut().zip(new).for_each(|(sample, value)| *sample = super::ops::to_level(value));
    }
    out
}
