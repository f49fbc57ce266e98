//! Changes of what is there: stains, lost focus, other colours.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::blur::Blur;

use super::blob::Blob;
use super::{Change, map, unit};
use crate::dataset::{Mask, Picture};
use crate::error::Result;
use crate::synthetic::noise::fractal;
use crate::synthetic::ops;

/// Multiplies what is under it, unevenly; one of four bleaches instead.
pub(super) fn stain(picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Change {
    let soft = rng.random_range(0.1..=0.9);
    let blob = Blob::draw(picture, on, soft, rng);
    let bleach = rng.random_bool(0.25);
    let depth: f32 = rng.random_range(0.25..=0.8);
    let tint: [f32; 3] = std::array::from_fn(|_| rng.random_range(-0.15f32..=0.15));
    let (seed, grain): (u32, f32) = (rng.random(), rng.random_range(0.02..=0.1) / unit(picture));
    let width = picture.width;
    let source = map(picture, |i, rgb| {
        let uneven = 1.0 + 0.35 * fractal((i % width) as f32 * grain, (i / width) as f32 * grain, 3, seed);
        let depth = (depth * uneven).clamp(0.0, 1.0);
        std::array::from_fn(|c| {
            let depth = (depth + tint[c]).clamp(0.0, 1.0);
            if bleach { rgb[c] + depth * (255.0 - rgb[c]) } else { rgb[c] * (1.0 - depth) }
        })
    });
    Change { weights: blob.weights(picture.width, picture.height), source }
}

/// Blurs by 2 to 7 pixels of an image of 392.
pub(super) fn blur(picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Result<Change> {
    let blob = Blob::draw(picture, on, 0.3, rng);
    let sigma = f64::from(rng.random_range(2.0f32..=7.0) * unit(picture));
    let mut blur = Blur::new(picture.height, picture.width, sigma);
    let mut source = picture.clone();
    for channel in 0..3 {
        let samples = picture.data.iter().skip(channel).step_by(3);
        let mut plane: Vec<f32> = samples.map(|&v| f32::from(v)).collect();
        crate::threads::install(|| blur.run(&mut plane))??;
        let samples = source.data.iter_mut().skip(channel).step_by(3);
        samples.zip(plane).for_each(|(sample, value)| *sample = ops::to_level(value));
    }
    Ok(Change { weights: blob.weights(picture.width, picture.height), source })
}

/// Turns the hue, adds to or takes from saturation, brightens or darkens.
pub(super) fn colour(picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Change {
    let soft = rng.random_range(0.05..=0.5);
    let blob = Blob::draw(picture, on, soft, rng);
    let sign = |rng: &mut ChaCha8Rng| if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let hue = sign(rng) * rng.random_range(25.0f32..=180.0);
    let saturation = rng.random_range(-120.0f32..=120.0);
    let offset = sign(rng) * rng.random_range(10.0f32..=60.0);
    // Grey does not take another hue: it takes a cast instead.
    let cast: [f32; 3] = std::array::from_fn(|_| rng.random_range(-25.0f32..=25.0));
    let mut source = map(picture, |_, rgb| std::array::from_fn(|c| rgb[c] + cast[c]));
    ops::hue_saturation(&mut source, hue, saturation);
    ops::brightness(&mut source, 1.0, offset);
    Change { weights: blob.weights(picture.width, picture.height), source }
}
