//! Scratches and cracks: random walks of a pen.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::blob::clip;
use super::{Change, map, place, unit};
use crate::dataset::{Mask, Picture};
use crate::synthetic::noise::value;
use crate::synthetic::plane::{V2, mix, segment};

/// How a pen moves.
struct Pen {
    /// Largest change of direction from step to step.
    bend: f32,
    /// Probability that a branch leaves at a step.
    fork: f64,
    /// Half width in pixels.
    half: f32,
    /// Length of a step in pixels.
    step: f32,
}

/// One to three scratches, or a crack with branches; dark, bright, or of a colour.
pub(super) fn draw(picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Change {
    let unit = unit(picture);
    let crack = rng.random_bool(0.4);
    let mut pen = Pen {
        bend: if crack { rng.random_range(0.4..=0.9) } else { rng.random_range(0.01..=0.15) },
        fork: if crack { 0.08 } else { 0.0 },
        half: (unit * rng.random_range(0.5f32..=1.8)).max(0.6),
        step: unit * 5.0,
    };
    let mut weights = vec![0.0; picture.width * picture.height];
    for _ in 0..if crack { 1 } else { rng.random_range(1..=3) } {
        let (start, heading) = (place(on, rng), rng.random_range(0.0..std::f32::consts::TAU));
        walk(&mut weights, picture, start, heading, rng.random_range(8..=45), &pen, rng);
        pen.half = (pen.half * rng.random_range(0.6f32..=1.2)).max(0.6);
    }
    let strength = rng.random_range(0.5f32..=1.0);
    let seed: u32 = rng.random();
    let width = picture.width;
    // A scratch is not equally deep everywhere.
    let mut i = 0;
    weights.iter_mut().for_each(|weight: &mut f32| {
        let depth = 0.8 + 0.4 * value((i % width) as f32 * 0.1 / unit, (i / width) as f32 * 0.1 / unit, seed);
        *weight *= (strength * depth).clamp(0.0, 1.0);
        i += 1;
    });
    let level = match (crack, rng.random_range(0..3)) {
        (true, _) | (false, 0) => rng.random_range(0.0f32..=60.0),
        _ => rng.random_range(190.0f32..=255.0),
    };
    let tint: [f32; 3] = std::array::from_fn(|_| rng.random_range(-20.0f32..=20.0));
    let source = map(picture, |_, rgb| std::array::from_fn(|c| mix(rgb[c], level + tint[c], 0.9)));
    Change { weights, source }
}

fn walk(
    weights: &mut [f32],
    picture: &Picture,
    mut at: V2,
    mut heading: f32,
    steps: usize,
    pen: &Pen,
    rng: &mut ChaCha8Rng,
) {
    // A steady drift makes arcs of scratches; cracks have none.
    let drift = rng.random_range(-0.04f32..=0.04);
    for i in 0..steps {
        heading += drift + rng.random_range(-pen.bend..=pen.bend);
        let next = at + V2::polar(heading) * pen.step;
        let left = (steps - i) as f32 / steps as f32;
        let half = pen.half * (0.35 + 0.65 * left.sqrt());
        stroke(weights, picture, at, next, half);
        if steps > 6 && rng.random_bool(pen.fork) {
            let aside = heading + if rng.random_bool(0.5) { 0.8 } else { -0.8 };
            walk(weights, picture, next, aside, (steps - i) / 2, pen, rng);
        }
        at = next;
    }
}

/// Draws a line with soft edges; where lines meet, the heavier one counts.
fn stroke(weights: &mut [f32], picture: &Picture, a: V2, b: V2, half: f32) {
    let middle = (a + b) * 0.5;
    let reach = 0.5 * (b - a).length() + half + 2.0;
    for y in clip(middle.y, reach, picture.height) {
        for x in clip(middle.x, reach, picture.width) {
            let d = segment(V2 { x: x as f32 + 0.5, y: y as f32 + 0.5 }, a, b);
            let weight = (half + 0.5 - d).clamp(0.0, 1.0);
            let old = &mut weights[y * picture.width + x];
            *old = old.max(weight);
        }
    }
}
