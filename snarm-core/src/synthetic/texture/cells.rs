//! Textures around scattered points: cells, grains, dots.

use super::{Colour, Palette, shaded};
use crate::synthetic::noise::{hash, value};
use crate::synthetic::plane::{V2, mix, smooth, v2};

/// Distances to the nearest and the second nearest of points scattered one to each unit square, and a number from 0
/// to 1 that belongs to the nearest.
pub(super) fn nearest(p: V2, scatter: f32, seed: u32) -> (f32, f32, f32) {
    let (column, row) = (p.x.floor() as i32, p.y.floor() as i32);
    let (mut first, mut second, mut owner) = (f32::MAX, f32::MAX, 0.0);
    for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
        let (x, y) = (column.wrapping_add(dx), row.wrapping_add(dy));
        let point = v2(
            x as f32 + 0.5 + 0.5 * scatter * hash(x, y, seed),
            y as f32 + 0.5 + 0.5 * scatter * hash(x, y, seed ^ 0x51),
        );
        let d = (p - point).length();
        if d < first {
            (second, first, owner) = (first, d, 0.5 + 0.5 * hash(x, y, seed ^ 0xA7));
        } else if d < second {
            second = d;
        }
    }
    (first, second, owner)
}

/// Voronoi cells: domed, flat with joints, by distance, or as a net.
pub(super) fn voronoi(p: V2, shape: [f32; 3], seed: u32, palette: &Palette) -> Colour {
    let (first, second, owner) = nearest(p, 0.4 + 0.6 * shape[1], seed);
    let joint = smooth(0.02, 0.06 + 0.12 * shape[2], second - first);
    match (shape[0] * 4.0) as u32 {
        0 => shaded(palette.at(owner), (1.15 - 0.6 * first * first) * mix(0.3, 1.0, joint)),
        1 => palette.at(mix(0.0, 0.25 + 0.75 * owner, joint)),
        2 => palette.at(first * 1.1),
        _ => palette.at(1.0 - joint + 0.15 * owner),
    }
}

/// Grains of three sizes, each grain with a colour of its own, on a nearly even base.
pub(super) fn speckle(p: V2, shape: [f32; 3], seed: u32, palette: &Palette) -> Colour {
    let mut colour = palette.at(0.08 + 0.1 * value(p.x * 0.2, p.y * 0.2, seed));
    for (i, scale) in [0.35f32, 0.8, 2.0].into_iter().enumerate() {
        let layer = seed ^ (0x100 << i);
        let (first, _, owner) = nearest(p * scale, 1.0, layer);
        // Only some points carry a grain, of a size that depends on the point.
        let share = 0.25 + 0.55 * shape[i];
        if owner < share {
            let radius = 0.12 + 0.3 * (owner / share);
            let t = 1.0 - smooth(radius - 0.06, radius, first);
            let grain = palette.pick((owner / share * 7.0).fract());
            colour = std::array::from_fn(|c| mix(colour[c], grain[c], t));
        }
    }
    colour
}

/// Dots in straight or staggered rows, printed or domed.
pub(super) fn dots(p: V2, shape: [f32; 3], seed: u32, palette: &Palette) -> Colour {
    let row = p.y.floor();
    let x = if shape[0] < 0.5 { p.x } else { p.x + 0.5 * (row as i32 & 1) as f32 };
    let middle = v2(x.floor() + 0.5, row + 0.5);
    let d = (v2(x, p.y) - middle).length();
    let radius = 0.15 + 0.28 * shape[1];
    let t = 1.0 - smooth(radius - 0.07, radius, d);
    let base = palette.at(0.1 + 0.05 * value(p.x * 0.7, p.y * 0.7, seed));
    let tone = 0.75 + 0.2 * hash(middle.x as i32, middle.y as i32, seed) * shape[2];
    let dome = if shape[2] < 0.5 { 1.0 } else { 1.2 - 0.5 * (d / radius).powi(2) };
    let dot = shaded(palette.at(tone), dome);
    std::array::from_fn(|c| mix(base[c], dot[c], t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_point_is_nearer_than_the_second_and_near_enough() {
        for i in 0..500 {
            let p = v2(i as f32 * 0.173 - 40.0, i as f32 * 0.091);
            let (first, second, owner) = nearest(p, 1.0, 3);
            assert!(first <= second && first < 1.5 && (0.0..=1.0).contains(&owner));
        }
        // Without scatter the points are the middles of the squares.
        let (first, second, _) = nearest(v2(0.5, 0.75), 0.0, 3);
        assert!((first - 0.25).abs() < 1e-6 && (second - 0.75).abs() < 1e-6);
    }
}
