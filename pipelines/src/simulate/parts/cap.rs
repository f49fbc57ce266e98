//! A bottle cap of blue plastic: knurled rim, raised ring, a printed star and a ring of print around it.

use super::Piece;
use crate::simulate::geometry::{V2, coverage, smooth, star};
use crate::simulate::noise::{hash, value};
use crate::simulate::surface::{Rgb, Surface, blend, scale};

const RIDGES: f32 = 60.0;
const RIM: f32 = 0.86;
const RING: f32 = 0.77;
const PRINT: f32 = 0.60;

const BLUE: Rgb = [0.030, 0.105, 0.36];
const TEAL: Rgb = [0.030, 0.26, 0.20];
const WHITE: Rgb = [0.72, 0.73, 0.74];

pub(super) fn distance(p: V2) -> f32 {
    p.length() - 0.985 - 0.012 * (RIDGES * p.angle()).cos()
}

pub(super) fn star_distance(p: V2) -> f32 {
    star(p.rotated(0.314), 5.0, 0.36, 0.155)
}

pub(super) fn surface(p: V2, px: f32, piece: &Piece) -> Surface {
    let r = p.length();
    let colour = if piece.miscoloured.is_some() { TEAL } else { BLUE };
    let mottle =
        value(p.x * 7.0, p.y * 7.0, piece.seed) + 0.5 * value(p.x * 31.0, p.y * 31.0, piece.seed ^ 9);
    let mut s = Surface { gloss: 0.16, ..Surface::matt(scale(colour, 1.0 + 0.05 * mottle)) };
    s.slope = p * -0.22 + p.unit() * shoulder(r);
    rim(p, r, &mut s);
    print(p, r, px, piece, &mut s);
    s
}

/// Rise along the radius: the raised ring, and the edge down to the rim.
fn shoulder(r: f32) -> f32 {
    let ring = smooth(0.035, 0.0, (r - RING).abs()) * (RING - r) * 22.0;
    ring - 1.1 * smooth(RIM - 0.02, RIM + 0.03, r)
}

fn rim(p: V2, r: f32, s: &mut Surface) {
    let inside = smooth(RIM, RIM + 0.03, r);
    let across = V2 { x: -p.y, y: p.x }.unit();
    let ridge = RIDGES * p.angle();
    s.slope = s.slope + across * (0.55 * inside * ridge.sin());
    s.open *= 1.0 - inside * (0.22 - 0.18 * ridge.cos());
}

fn print(p: V2, r: f32, px: f32, piece: &Piece, s: &mut Surface) {
    let ink = |s: &mut Surface, amount: f32| {
        s.albedo = blend(s.albedo, WHITE, 0.93 * amount);
        s.gloss *= 1.0 - 0.4 * amount;
    };
    if piece.missing.is_none() {
        ink(s, coverage(star_distance(p), px));
    }
    ink(s, coverage((r - 0.46).abs() - 0.008, px));
    ink(s, lettering(p, r, px));
}

/// Strokes that look like small print from afar, on two arcs.
fn lettering(p: V2, r: f32, px: f32) -> f32 {
    let turn = p.angle();
    if turn.cos().abs() < 0.35 || (r - PRINT).abs() > 0.05 {
        return 0.0;
    }
    let along = turn * PRINT / 0.042;
    let cell = along.floor();
    let (kind, x) = (hash(cell as i32, 3, 77), (along - cell - 0.5) * 0.042);
    let y = r - PRINT;
    let upright = (x + 0.010).abs() - 0.005;
    let bar = (y - 0.03 * kind).abs() - 0.006;
    let second = if kind > 0.0 { (x - 0.009).abs() - 0.004 } else { bar };
    coverage(upright.min(bar).min(second).max(x.abs() - 0.016).max(y.abs() - 0.042), px)
}
