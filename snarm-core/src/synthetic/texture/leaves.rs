//! Dead leaves: shapes of all sizes that cover each other, as in a picture of a crowded world.

use super::{Colour, Palette, shaded};
use crate::synthetic::noise::{hash, value};
use crate::synthetic::plane::{V2, rounded_box, smooth, v2};

/// Layers from the top; below the last lies the first colour.
const LAYERS: u32 = 18;

/// What lies on top at `p`. Each layer scatters one shape to a square; sizes fall in turns from layer to layer, so
/// small and large ones lie at every height.
pub(super) fn dead_leaves(p: V2, shape: [f32; 3], seed: u32, palette: &Palette) -> Colour {
    let (mut colour, mut left) = ([0.0; 3], 1.0);
    for layer in 0..LAYERS {
        let layer_seed = seed.wrapping_add(layer.wrapping_mul(0x9E37));
        // Sizes of about 1, 1/2, 1/4, ... with few large ones on top.
        let scale = 2f32.powi((layer * 2 % 5) as i32) * (1.0 + 0.3 * hash(layer as i32, 1, seed));
        let moved = v2(hash(layer as i32, 2, seed), hash(layer as i32, 3, seed)) * 50.0;
        let (cover, leaf) = topmost(p * scale + moved, shape, layer_seed, palette);
        colour = std::array::from_fn(|c| colour[c] + left * cover * leaf[c]);
        left *= 1.0 - cover;
        if left < 0.01 {
            return colour;
        }
    }
    let ground = palette.at(0.0);
    std::array::from_fn(|c| colour[c] + left * ground[c])
}

/// How far the shapes of one layer cover `q`, and with what.
fn topmost(q: V2, shape: [f32; 3], seed: u32, palette: &Palette) -> (f32, Colour) {
    let (column, row) = (q.x.floor() as i32, q.y.floor() as i32);
    let mut best = (0.0, [0.0; 3]);
    for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
        let (x, y) = (column.wrapping_add(dx), row.wrapping_add(dy));
        let random = |n: u32| 0.5 + 0.5 * hash(x, y, seed ^ (n << 20));
        if random(1) > 0.6 {
            continue;
        }
        let middle = v2(x as f32 + random(2), y as f32 + random(3));
        let p = (q - middle).rotated(std::f32::consts::TAU * random(4));
        let half = v2(0.25 + 0.25 * random(5), 0.12 + 0.35 * random(6));
        // Ellipses, boxes, or both.
        let round = shape[0] < 0.35 || (shape[0] < 0.7 && random(7) < 0.5);
        let d = if round {
            (v2(p.x / half.x, p.y / half.y).length() - 1.0) * half.x.min(half.y)
        } else {
            rounded_box(p, half, 0.05 * shape[1])
        };
        let cover = 1.0 - smooth(-0.012, 0.012, d);
        if cover > best.0 {
            let vein = 0.12 * shape[2] * value(p.x * 9.0, p.y * 9.0, seed ^ 0xF00);
            let slope = 1.0 + 0.35 * shape[1] * (p.x + p.y) + vein;
            best = (cover, shaded(palette.at(random(8)), slope));
        }
    }
    best
}
