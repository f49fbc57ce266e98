//! Marks that something left on the surface: scratches, dents, stains.

use super::BARE;
use crate::simulate::geometry::{V2, coverage, smooth};
use crate::simulate::noise::{fractal, value, value1};
use crate::simulate::surface::{Rgb, Surface, blend};

/// A bent, tapering scratch along x with a bright floor and a dark lip.
pub(super) fn scratch(q: V2, px: f32, size: f32, seed: u32, s: &mut Surface) -> f32 {
    let length = 2.4 * size;
    if q.x.abs() > length {
        return 0.0;
    }
    let bend = 0.5 * q.x * q.x / length + 0.012 * value1(q.x * 9.0, seed);
    let taper = smooth(length, 0.55 * length, q.x.abs()) * (1.0 + 0.35 * value1(q.x * 40.0, seed ^ 5));
    let half = (0.016 * taper).max(0.0);
    let d = (q.y - bend).abs() - half;
    let floor = coverage(d, px) * smooth(0.0, 0.3, taper);
    let lip = coverage((q.y - bend - 1.7 * half).abs() - 0.7 * half, px) * smooth(0.0, 0.3, taper);
    s.open *= 1.0 - 0.55 * lip;
    s.cover(Surface { gloss: 0.12, ..Surface::matt(BARE) }, 0.88 * floor);
    floor.max(0.6 * lip)
}

/// A shallow, round hollow; its far wall catches the light.
pub(super) fn dent(q: V2, px: f32, size: f32, angle: f32, s: &mut Surface) -> f32 {
    let reach = 0.85 * size;
    let u = q.length() / reach;
    if u > 2.2 {
        return 0.0;
    }
    let wall = 2.3 * u * (-1.4 * u * u).exp();
    s.slope = s.slope + q.rotated(angle).unit() * wall;
    let inside = smooth(1.3, 0.7, u);
    s.grain = s.grain * (1.0 - inside);
    s.gloss *= 1.0 - 0.35 * inside;
    s.open *= 1.0 - 0.30 * inside;
    coverage((u - 1.25) * reach, px)
}

const OIL: Rgb = [0.110, 0.048, 0.010];

/// A dried drop: ragged outline, darker towards its edge.
pub(super) fn stain(q: V2, px: f32, size: f32, seed: u32, s: &mut Surface) -> f32 {
    let turn = q.unit();
    let ragged =
        0.34 * value(turn.x * 1.6 + 9.0, turn.y * 1.6, seed) + 0.10 * value(turn.x * 6.0, turn.y * 6.0, seed);
    let edge = 1.25 * size * (1.0 + ragged);
    let d = q.length() - edge;
    if d > 0.1 {
        return 0.0;
    }
    let rim = smooth(-0.35 * edge, -0.02 * edge, d);
    let cloud = fractal(q.x * 14.0, q.y * 14.0, 3, seed ^ 0x77);
    let amount = (0.50 + 0.32 * rim + 0.25 * cloud).clamp(0.0, 0.95) * smooth(0.02, -0.03, d);
    s.albedo = blend(s.albedo, OIL, amount);
    s.gloss *= 1.0 - 0.95 * amount;
    coverage(d, px)
}
