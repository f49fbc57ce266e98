//! The ten operations that change how an image looks: each is a function of its own, and [`Op`] draws their strengths.

mod colour;
mod geometric;
mod tone;

pub(crate) use colour::hsv_to_rgb;
pub use colour::{brightness, hue_saturation};
pub use geometric::{rotate, sharpen};
pub use tone::{autocontrast, equalize, gamma_contrast, invert, posterize, solarize};

use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::dataset::Picture;

/// One operation with its strength.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    /// [`gamma_contrast`] with one exponent for each channel.
    GammaContrast([f32; 3]),
    /// [`brightness`] by factor and offset.
    Brightness(f32, f32),
    /// [`sharpen`] by this factor.
    Sharpness(f32),
    /// [`hue_saturation`] by degrees and levels.
    HueSaturation(f32, f32),
    /// [`solarize`] from this level on; `None` leaves the image alone, as the recipe does every other time.
    Solarize(Option<u8>),
    /// [`posterize`] to this many bits.
    Posterize(u32),
    /// [`invert`].
    Invert,
    /// [`autocontrast`] without this many percent of the darkest and of the lightest pixels.
    Autocontrast(f32),
    /// [`equalize`].
    Equalize,
    /// [`rotate`] by degrees.
    Rotate(f32),
}

/// Number of operations.
pub const COUNT: usize = 10;

impl Op {
    /// Operation number `which` (from 0 to 9, in the order of the variants) with a random strength.
    pub fn draw(which: usize, rng: &mut ChaCha8Rng) -> Self {
        match which {
            0 => Self::GammaContrast(std::array::from_fn(|_| rng.random_range(0.5..=2.0))),
            1 => Self::Brightness(rng.random_range(0.8..=1.2), rng.random_range(-30.0..=30.0)),
            2 => Self::Sharpness(rng.random_range(0.1..=1.9)),
            3 => {
                // Both are steps of 255; a full turn of hue has 255 of them.
                let hue = rng.random_range(-50.0..=50.0) * 360.0 / 255.0;
                Self::HueSaturation(hue, rng.random_range(-50.0..=50.0))
            }
            4 => Self::Solarize(rng.random_bool(0.5).then(|| rng.random_range(32..=128))),
            5 => Self::Posterize(rng.random_range(1..=8)),
            6 => Self::Invert,
            7 => Self::Autocontrast(rng.random_range(0.0..=20.0)),
            8 => Self::Equalize,
            _ => Self::Rotate(rng.random_range(-45.0..=45.0)),
        }
    }

    /// Three operations, all different, in random order.
    pub fn draw_three(rng: &mut ChaCha8Rng) -> [Self; 3] {
        let which = index::sample(rng, COUNT, 3);
        std::array::from_fn(|i| Self::draw(which.index(i), rng))
    }

    /// Applies the operation.
    pub fn apply(self, picture: &mut Picture) {
        match self {
            Self::GammaContrast(exponents) => gamma_contrast(picture, exponents),
            Self::Brightness(factor, offset) => brightness(picture, factor, offset),
            Self::Sharpness(factor) => sharpen(picture, factor),
            Self::HueSaturation(degrees, levels) => hue_saturation(picture, degrees, levels),
            Self::Solarize(Some(threshold)) => solarize(picture, threshold),
            Self::Solarize(None) => {}
            Self::Posterize(bits) => posterize(picture, bits),
            Self::Invert => invert(picture),
            Self::Autocontrast(percent) => autocontrast(picture, percent),
            Self::Equalize => equalize(picture),
            Self::Rotate(degrees) => *picture = rotate(picture, degrees),
        }
    }
}

/// Replaces every sample of channel `c` by `tables[c][sample]`.
fn look_up(picture: &mut Picture, tables: &[[u8; 256]; 3]) {
    for pixel in picture.data.chunks_exact_mut(3) {
        for (sample, table) in pixel.iter_mut().zip(tables) {
            *sample = table[usize::from(*sample)];
        }
    }
}

/// The table of a function on levels, rounded and kept within 0..255.
fn table(level: impl Fn(f32) -> f32) -> [u8; 256] {
    std::array::from_fn(|i| to_level(level(i as f32)))
}

/// A level rounded and kept within 0..255.
pub(crate) fn to_level(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::super::Draw;
    use super::*;

    #[test]
    fn three_operations_are_never_the_same() {
        let mut rng = Draw { seed: 0, image: 0, variant: 0 }.rng();
        let mut seen = [0; COUNT];
        for _ in 0..300 {
            let ops = Op::draw_three(&mut rng).map(|op| {
                (0..COUNT).find(|&i| {
                    let mut any = Draw { seed: 9, image: 0, variant: 0 }.rng();
                    std::mem::discriminant(&Op::draw(i, &mut any)) == std::mem::discriminant(&op)
                })
            });
            let ops = ops.map(Option::unwrap);
            assert!(ops[0] != ops[1] && ops[1] != ops[2] && ops[0] != ops[2], "{ops:?}");
            ops.into_iter().for_each(|op| seen[op] += 1);
        }
        // 90 of each are expected; five standard deviations are 40.
        assert!(seen.iter().all(|n| (50..=130).contains(n)), "{seen:?}");
    }

    #[test]
    fn strengths_stay_within_the_recipe() {
        let mut rng = Draw { seed: 5, image: 0, variant: 0 }.rng();
        for _ in 0..200 {
            for which in 0..COUNT {
                match Op::draw(which, &mut rng) {
                    Op::GammaContrast(e) => assert!(e.iter().all(|e| (0.5..=2.0).contains(e))),
                    Op::Brightness(f, o) => assert!((0.8..=1.2).contains(&f) && o.abs() <= 30.0),
                    Op::Sharpness(f) => assert!((0.1..=1.9).contains(&f)),
                    Op::HueSaturation(h, s) => assert!(h.abs() <= 70.6 && s.abs() <= 50.0),
                    Op::Solarize(t) => assert!(t.is_none_or(|t| (32..=128).contains(&t))),
                    Op::Posterize(bits) => assert!((1..=8).contains(&bits)),
                    Op::Autocontrast(p) => assert!((0.0..=20.0).contains(&p)),
                    Op::Rotate(d) => assert!(d.abs() <= 45.0),
                    Op::Invert | Op::Equalize => {}
                }
            }
        }
    }
}
