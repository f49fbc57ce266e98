//! A patch of irregular outline.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::dataset::{Mask, Picture};
use crate::synthetic::noise::fractal;
use crate::synthetic::plane::{V2, smooth, v2};

/// A stretched, turned disc with a frayed edge.
pub(super) struct Blob {
    pub(super) centre: V2,
    /// Half axes in pixels.
    half: V2,
    angle: f32,
    /// How far the outline strays, as a part of the radius.
    frayed: f32,
    /// Width of the edge, as a part of the radius.
    soft: f32,
    seed: u32,
}

impl Blob {
    /// A blob whose middle lies in `on`, with a radius of 2 % to 12 % of the image's side.
    pub(super) fn draw(picture: &Picture, on: &Mask, soft: f32, rng: &mut ChaCha8Rng) -> Self {
        let side = picture.width.min(picture.height) as f32;
        // Small ones are as likely as large ones, by ratio.
        let radius = side * 0.02 * 6f32.powf(rng.random_range(0.0..=1.0));
        let stretch = rng.random_range(0.6f32..=1.0).sqrt();
        Self {
            centre: super::place(on, rng),
            half: v2(radius / stretch, radius * stretch),
            angle: rng.random_range(0.0..std::f32::consts::TAU),
            frayed: rng.random_range(0.1..=0.6),
            soft,
            seed: rng.random(),
        }
    }

    /// Weight of each pixel: 1 inside, 0 outside, smooth over the edge.
    pub(super) fn weights(&self, width: usize, height: usize) -> Vec<f32> {
        let mut weights = vec![0.0; width * height];
        let reach = 1.7 * self.half.x.max(self.half.y) + 2.0;
        for y in clip(self.centre.y, reach, height) {
            for x in clip(self.centre.x, reach, width) {
                weights[y * width + x] = self.weight(v2(x as f32 + 0.5, y as f32 + 0.5));
            }
        }
        weights
    }

    fn weight(&self, at: V2) -> f32 {
        let p = (at - self.centre).rotated(-self.angle);
        let p = v2(p.x / self.half.x, p.y / self.half.y);
        let outline = 1.0 + self.frayed * fractal(1.7 * p.x + 31.0, 1.7 * p.y + 17.0, 4, self.seed);
        // Never sharper than one pixel.
        let soft = self.soft.max(1.0 / self.half.x.min(self.half.y));
        1.0 - smooth(outline - soft, outline, p.length())
    }
}

/// Pixels of a side within `reach` of `at`.
pub(super) fn clip(at: f32, reach: f32, side: usize) -> std::ops::Range<usize> {
    let end = (at + reach).ceil().clamp(0.0, side as f32) as usize;
    ((at - reach).floor().max(0.0) as usize).min(end)..end
}
