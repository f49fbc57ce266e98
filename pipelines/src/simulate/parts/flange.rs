//! A turned steel flange: chamfered edge, groove, raised hub with a bore, six countersunk bolt holes.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use super::Piece;
use crate::simulate::geometry::{V2, coverage, smooth};
use crate::simulate::noise::{value, value1};
use crate::simulate::surface::{Rgb, Surface, blend, scale};

pub(super) const N_HOLES: usize = 6;
const HOLE_CIRCLE: f32 = 0.79;
const HOLE: f32 = 0.088;
const COUNTERSINK: f32 = 0.125;
const BORE: f32 = 0.19;
const HUB: f32 = 0.42;
const GROOVE: f32 = 0.60;

const STEEL: Rgb = [0.36, 0.37, 0.39];
const COPPER: Rgb = [0.46, 0.23, 0.12];
const ETCHED: Rgb = [0.13, 0.13, 0.14];

/// Centres of the holes.
static CENTRES: LazyLock<[V2; N_HOLES]> = LazyLock::new(|| {
    std::array::from_fn(|i| V2::polar(TAU * i as f32 / N_HOLES as f32 + 0.26) * HOLE_CIRCLE)
});

/// Distance to hole `i`.
pub(super) fn hole_distance(p: V2, i: usize) -> f32 {
    CENTRES.get(i).map_or(f32::MAX, |&centre| (p - centre).length() - HOLE)
}

pub(super) fn hub_distance(p: V2) -> f32 {
    let r = p.length();
    (r - HUB).max(BORE - r)
}

/// Distance to the nearest hole that was drilled.
fn holes(p: V2, piece: &Piece) -> f32 {
    let drilled = (0..N_HOLES).filter(|&i| piece.missing != Some(i));
    drilled.map(|i| hole_distance(p, i)).fold(f32::MAX, f32::min)
}

pub(super) fn distance(p: V2, piece: &Piece) -> f32 {
    let r = p.length();
    (r - 1.0).max(BORE - r).max(-holes(p, piece))
}

pub(super) fn surface(p: V2, px: f32, piece: &Piece) -> Surface {
    let r = p.length();
    let out = p.unit();
    let mut s = turned(p, r, piece);
    s.slope = s.slope + out * profile(r);
    if piece.miscoloured.is_some() {
        s.albedo = blend(s.albedo, COPPER, 0.85 * coverage(hub_distance(p), px));
    }
    countersinks(p, piece, &mut s);
    groove(r, &mut s);
    etching(p, r, px, &mut s);
    s
}

/// The finish of the lathe: fine rings, and a little dirt.
fn turned(p: V2, r: f32, piece: &Piece) -> Surface {
    let ring =
        value1(r * 88.0, piece.seed) + 0.6 * value1(r * 41.0 + 0.7 * value(p.x * 3.0, p.y * 3.0, 11), 12);
    let cloud = value(p.x * 4.0, p.y * 4.0, piece.seed ^ 0x51);
    let albedo = scale(STEEL, 1.0 + 0.07 * ring + 0.03 * cloud);
    let grain = V2 { x: -p.y, y: p.x }.unit();
    Surface { albedo, slope: p.unit() * (0.02 * ring), gloss: 0.30, grain, open: 1.0 }
}

/// Rise along the radius: outer chamfer, hub shoulder, bore chamfer.
fn profile(r: f32) -> f32 {
    let chamfer =
        |from: f32, to: f32, slope: f32| slope * smooth(from, from + 0.008, r) * smooth(to, to - 0.008, r);
    chamfer(0.955, 1.01, -0.9)
        + chamfer(HUB - 0.015, HUB + 0.02, -1.1)
        + chamfer(BORE - 0.01, BORE + 0.03, 0.9)
}

fn countersinks(p: V2, piece: &Piece, s: &mut Surface) {
    for (_, &centre) in CENTRES.iter().enumerate().filter(|(i, _)| piece.missing != Some(*i)) {
        let (away, d) = ((p - centre).unit(), (p - centre).length());
        if d < COUNTERSINK + 0.01 {
            let inside = smooth(COUNTERSINK + 0.006, COUNTERSINK - 0.006, d);
            s.slope = s.slope * (1.0 - inside) + away * (0.85 * inside);
            s.grain = s.grain * (1.0 - inside) + V2 { x: -away.y, y: away.x } * inside;
            s.albedo = scale(s.albedo, 1.0 - 0.25 * inside);
        }
    }
}

fn groove(r: f32, s: &mut Surface) {
    let depth = smooth(0.022, 0.010, (r - GROOVE).abs());
    s.open *= 1.0 - 0.62 * depth;
    s.gloss *= 1.0 - 0.8 * depth;
}

/// A laser-etched row of marks between groove and hub.
fn etching(p: V2, r: f32, px: f32, s: &mut Surface) {
    let along = (p.angle() + 0.45) * 0.51 / 0.033;
    let cell = along.floor();
    if !(0.0..14.0).contains(&cell) || (r - 0.51).abs() > 0.05 {
        return;
    }
    let bits = 0x2D9E_u32.rotate_left(cell as u32 * 3);
    let half = 0.03 * if bits & 1 == 1 { 1.0 } else { 0.55 };
    let bar = ((along - cell - 0.5).abs() * 0.033 - 0.009).max((r - 0.51).abs() - half);
    s.albedo = blend(s.albedo, ETCHED, 0.7 * coverage(bar, px));
    s.gloss *= 1.0 - 0.7 * coverage(bar, px);
}
