//! Textures that are a number for each place: bands, clouds, rings; and regular ones: cloth and bricks.

use super::{Colour, Palette, shaded};
use crate::synthetic::noise::{fractal, hash, value, value1};
use crate::synthetic::plane::{V2, mix, smooth};

/// Multi-octave noise: plain, ridged, marbled, or as contour lines.
pub(super) fn clouds(p: V2, shape: [f32; 3], seed: u32) -> f32 {
    let octaves = 2 + (shape[1] * 5.0) as u32;
    let n = fractal(p.x, p.y, octaves, seed);
    match (shape[0] * 4.0) as u32 {
        0 => 0.5 + 0.75 * n,
        1 => 1.0 - 2.2 * n.abs(),
        2 => 0.5 + 0.5 * (p.x * 2.0 + 7.0 * n).sin(),
        _ => 0.5 + 0.5 * (n * (8.0 + 30.0 * shape[2])).sin(),
    }
}

/// Bands across x: round, flat or sawtooth, of even or uneven width.
pub(super) fn stripes(p: V2, shape: [f32; 3], seed: u32) -> f32 {
    let x = p.x + shape[1] * 0.8 * value1(p.x * 0.5, seed);
    let wave = 0.5 + 0.5 * (x * std::f32::consts::TAU).sin();
    match (shape[0] * 4.0) as u32 {
        0 => wave,
        1 => smooth(0.4, 0.6, wave),
        2 => x.rem_euclid(1.0),
        // Every band with a level of its own.
        _ => 0.5 + 0.5 * hash(x.floor() as i32, 0, seed),
    }
}

/// Threads along both axes, each with its own tint, alternately on top; or twill, where they pass two at a time.
pub(super) fn weave(p: V2, shape: [f32; 3], seed: u32, palette: &Palette) -> Colour {
    let (column, row) = (p.x.floor(), p.y.floor());
    let (fx, fy) = (p.x - column - 0.5, p.y - row - 0.5);
    let (column, row) = (column as i32, row as i32);
    let warp_on_top = if shape[0] < 0.6 { (column + row) & 1 == 0 } else { (column + row).rem_euclid(4) < 2 };
    // Across the thread on top, and along it.
    let (across, along) = if warp_on_top { (fx, fy) } else { (fy, fx) };
    let thread = if warp_on_top { hash(column, 7, seed) } else { hash(7, row, seed) };
    let gap = 0.30 + 0.18 * shape[1];
    let open = smooth(gap, gap + 0.06, across.abs());
    let round = (1.0 - (across / 0.55).powi(2)).max(0.0).sqrt() * (1.0 - 0.9 * along * along);
    let fibre = 0.08 * value(across * 14.0 + along * 4.0, along * 3.0 + thread * 40.0, seed ^ 5);
    let tint = if warp_on_top { 0.12 + 0.2 * shape[2] } else { 0.88 - 0.2 * shape[2] };
    let colour = palette.at(tint + 0.08 * thread);
    shaded(colour, mix(0.45 + 0.6 * round + fibre, 0.18, open))
}

/// Rows of bricks, shifted from row to row, with joints.
pub(super) fn bricks(p: V2, shape: [f32; 3], seed: u32, palette: &Palette) -> Colour {
    let long = 1.0 + (shape[0] * 3.0).floor();
    let row = p.y.floor();
    let shift = if shape[1] < 0.4 { 0.0 } else { row * 0.5 };
    let x = p.x / long + shift;
    let column = x.floor();
    let (fx, fy) = ((x - column) * long, p.y - row);
    let edge = fx.min(long - fx).min(fy).min(1.0 - fy);
    let joint = 0.02 + 0.10 * shape[2];
    let tone = 0.5 + 0.5 * hash(column as i32, row as i32, seed);
    let uneven = 0.10 * fractal(p.x * 3.0, p.y * 3.0, 3, seed ^ 9);
    let bevel = 0.85 + 0.15 * smooth(joint, joint + 0.15, edge);
    let brick = shaded(palette.at(0.3 + 0.7 * tone + uneven), bevel);
    let mortar = shaded(palette.at(0.0), 0.8 + uneven);
    let t = smooth(joint - 0.02, joint + 0.02, edge);
    std::array::from_fn(|c| mix(mortar[c], brick[c], t))
}

/// Growth rings of a trunk that lies across the image, with fibres along it.
pub(super) fn wood(p: V2, shape: [f32; 3], seed: u32) -> f32 {
    let stretch = 0.08 + 0.25 * shape[0];
    let off = V2 { x: p.x * stretch + 3.0 * shape[1], y: p.y + 1.5 };
    let bend = 0.6 * fractal(p.x * 0.25, p.y * 0.6, 3, seed);
    let ring = (off.length() * 2.0 + bend).rem_euclid(1.0);
    let season = smooth(0.0, 0.75, ring) * (1.0 - smooth(0.88, 1.0, ring));
    let fibre = fractal(p.x * 1.5, p.y * 28.0, 3, seed ^ 4);
    0.15 + 0.65 * season + (0.12 + 0.2 * shape[2]) * fibre
}

/// Fine lines along x over slow changes of brightness.
pub(super) fn brushed(p: V2, shape: [f32; 3], seed: u32) -> f32 {
    let lines = fractal(p.x * (0.02 + 0.1 * shape[0]), p.y * 6.0, 4, seed);
    let slow = value(p.x * 0.05, p.y * 0.05, seed ^ 8);
    0.5 + (0.35 + 0.3 * shape[1]) * lines + 0.35 * shape[2] * slow
}

/// A straight or round gradient with soft noise.
pub(super) fn gradient(p: V2, shape: [f32; 3], seed: u32) -> f32 {
    let way = if shape[0] < 0.5 { p.x } else { p.length() };
    // Back and forth, so that it goes on beyond the image.
    let t = (way * 0.8 + shape[1]).rem_euclid(2.0);
    let t = if t > 1.0 { 2.0 - t } else { t };
    t + (0.1 + 0.4 * shape[2]) * fractal(p.x * 3.0, p.y * 3.0, 5, seed)
}
