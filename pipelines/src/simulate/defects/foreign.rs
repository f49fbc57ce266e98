//! Things that do not belong on the belt: plastic granules and curls of swarf.

use crate::simulate::geometry::{V2, coverage, smooth, v2};
use crate::simulate::noise::value;
use crate::simulate::surface::{Rgb, Surface};

const PAINTS: [Rgb; 3] = [[0.62, 0.045, 0.030], [0.66, 0.42, 0.03], [0.70, 0.70, 0.66]];
const SWARF: Rgb = [0.42, 0.41, 0.40];
const LIFT: V2 = v2(0.035, 0.030);

/// Distance to the outline of a granule, or to the band of a curl.
fn distance(q: V2, size: f32, seed: u32) -> f32 {
    if is_swarf(seed) {
        return curl(q, size);
    }
    let turn = q.unit();
    let edge = 0.75 * size * (1.0 + 0.28 * value(turn.x * 1.9 + 5.0, turn.y * 1.9, seed));
    q.length() - edge
}

fn is_swarf(seed: u32) -> bool {
    seed % 5 < 2
}

/// A spiral of one and a half turns.
fn curl(q: V2, size: f32) -> f32 {
    let tau = std::f32::consts::TAU;
    let pitch = 0.62 * size;
    let turns = q.angle().rem_euclid(tau) / tau;
    let (first, second) = (pitch * (turns + 0.35), pitch * (turns + 1.35));
    let r = q.length();
    let band = if turns < 0.6 { (r - first).abs().min((r - second).abs()) } else { (r - first).abs() };
    band - 0.13 * size
}

pub(super) fn body(q: V2, px: f32, size: f32, seed: u32, angle: f32) -> Option<(Surface, f32)> {
    if q.length() > 2.0 * size {
        return None;
    }
    let d = distance(q, size, seed);
    let out = q.rotated(angle).unit();
    let surface = if is_swarf(seed) {
        let round = (d + 0.13 * size) / (0.13 * size);
        let stripes = 0.25 * value(q.angle() * 14.0, 0.0, seed);
        let albedo = SWARF.map(|v| v * (1.0 + stripes - 0.45 * round));
        Surface { gloss: 0.35, slope: out * (0.5 * round), ..Surface::matt(albedo) }
    } else {
        let dome = smooth(-0.55 * size, 0.0, d);
        let paint = PAINTS.get(seed as usize / 5 % PAINTS.len()).copied().unwrap_or(SWARF);
        Surface { gloss: 0.22, slope: out * (-1.3 * dome), ..Surface::matt(paint) }
    };
    Some((surface, coverage(d, px)))
}

pub(super) fn shadow(q: V2, size: f32, seed: u32) -> f32 {
    if q.length() > 2.5 * size {
        return 0.0;
    }
    0.6 * smooth(0.05, -0.02, distance(q - LIFT, size, seed))
}
