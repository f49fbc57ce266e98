//! Pieces of the image where they do not belong, and pieces that are gone.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::blob::Blob;
use super::{Change, map, place};
use crate::dataset::{Mask, Picture};
use crate::synthetic::noise::value;
use crate::synthetic::plane::{V2, rounded_box, v2};

/// Where the content of a patch comes from.
enum Content {
    /// Another place of the image, moved by this many pixels.
    Elsewhere(V2),
    /// The same place, turned by this angle about the middle of the patch.
    Turned(f32),
    /// Nowhere: it is as empty as the border of the image.
    Missing([f32; 3], u32),
}

/// A copied, turned or missing patch; rectangular or irregular.
pub(super) fn draw(picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Change {
    let blob = Blob::draw(picture, on, 0.08, rng);
    let centre = blob.centre;
    let weights = if rng.random_bool(0.5) {
        blob.weights(picture.width, picture.height)
    } else {
        rectangle(picture, centre, rng)
    };
    let content = match rng.random_range(0..4) {
        0 => Content::Turned(rng.random_range(0.5..=5.8)),
        1 => Content::Missing(border_colour(picture), rng.random()),
        _ => Content::Elsewhere(place(on, rng) - centre),
    };
    let gain: f32 = rng.random_range(0.85..=1.15);
    let (width, height) = (picture.width, picture.height);
    let at = |p: V2| -> [f32; 3] {
        let x = (p.x.max(0.0) as usize).min(width - 1);
        let y = (p.y.max(0.0) as usize).min(height - 1);
        let i = 3 * (y * width + x);
        [picture.data[i], picture.data[i + 1], picture.data[i + 2]].map(f32::from)
    };
    let source = map(picture, |i, rgb| {
        if weights[i] == 0.0 {
            return rgb;
        }
        let p = v2((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
        match content {
            Content::Elsewhere(by) => at(p + by).map(|v| gain * v),
            Content::Turned(angle) => at(centre + (p - centre).rotated(angle)).map(|v| gain * v),
            Content::Missing(colour, seed) => colour.map(|v| v + 6.0 * value(p.x * 0.7, p.y * 0.7, seed)),
        }
    });
    Change { weights, source }
}

fn rectangle(picture: &Picture, centre: V2, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let side = picture.width.min(picture.height) as f32;
    let half = v2(side * rng.random_range(0.02f32..=0.1), side * rng.random_range(0.02f32..=0.1));
    let angle = rng.random_range(-0.6f32..=0.6);
    let inside = |i: usize| {
        let p = v2((i % picture.width) as f32 + 0.5, (i / picture.width) as f32 + 0.5) - centre;
        f32::from(u8::from(rounded_box(p.rotated(-angle), half, 0.0) <= 0.0))
    };
    (0..picture.width * picture.height).map(inside).collect()
}

/// Mean of the outermost pixels.
fn border_colour(picture: &Picture) -> [f32; 3] {
    let (width, height) = (picture.width, picture.height);
    let mut sum = [0.0f64; 3];
    let mut n = 0;
    for (i, pixel) in picture.data.chunks_exact(3).enumerate() {
        let (x, y) = (i % width, i / width);
        if x == 0 || y == 0 || x + 1 == width || y + 1 == height {
            sum.iter_mut().zip(pixel).for_each(|(sum, &v)| *sum += f64::from(v));
            n += 1;
        }
    }
    sum.map(|v| (v / f64::from(n.max(1))) as f32)
}
