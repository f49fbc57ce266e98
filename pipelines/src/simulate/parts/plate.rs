//! A circuit board: solder mask with traces, plated mounting holes, integrated circuits, chip resistors and
//! capacitors, a pin header, and white print.

use super::Piece;
use crate::simulate::geometry::{V2, coverage, rounded_box, segment, smooth, v2};
use crate::simulate::noise::value;
use crate::simulate::surface::{Rgb, Surface, blend, scale};

const HALF: V2 = v2(1.0, 0.70);
const MASK: Rgb = [0.018, 0.105, 0.045];
const TRACE: Rgb = [0.040, 0.185, 0.075];
const GOLD: Rgb = [0.52, 0.36, 0.12];
const TIN: Rgb = [0.42, 0.42, 0.42];
const BLACK: Rgb = [0.020, 0.020, 0.022];
const TAN: Rgb = [0.30, 0.20, 0.11];
const ORANGE: Rgb = [0.55, 0.17, 0.02];
const PRINT: Rgb = [0.62, 0.63, 0.60];

/// How a part on the board looks.
#[derive(Clone, Copy, PartialEq)]
enum Package {
    /// Integrated circuit with pins along its long sides.
    Circuit,
    /// Two-ended chip of a colour.
    Chip(Rgb),
}

/// A part on the board.
pub(super) struct Feature {
    at: V2,
    half: V2,
    package: Package,
}

const fn circuit(x: f32, y: f32, w: f32, h: f32) -> Feature {
    Feature { at: v2(x, y), half: v2(w, h), package: Package::Circuit }
}

const fn chip(x: f32, y: f32, colour: Rgb) -> Feature {
    Feature { at: v2(x, y), half: v2(0.058, 0.030), package: Package::Chip(colour) }
}

pub(super) const FEATURES: [Feature; 14] = [
    circuit(-0.36, 0.12, 0.22, 0.15),
    circuit(0.22, -0.24, 0.14, 0.09),
    circuit(0.52, 0.26, 0.16, 0.11),
    chip(-0.74, -0.12, TAN),
    chip(-0.74, 0.02, TAN),
    chip(-0.74, 0.16, BLACK),
    chip(-0.10, -0.34, TAN),
    chip(-0.26, -0.34, BLACK),
    chip(0.10, 0.40, TAN),
    chip(0.10, 0.26, BLACK),
    chip(0.56, -0.10, TAN),
    chip(0.56, -0.24, TAN),
    chip(0.76, -0.10, BLACK),
    chip(0.76, -0.24, TAN),
];

/// Traces: both ends of straight pieces.
const TRACES: [(V2, V2); 14] = [
    (v2(-0.68, -0.12), v2(-0.50, -0.12)),
    (v2(-0.50, -0.12), v2(-0.42, -0.04)),
    (v2(-0.68, 0.02), v2(-0.58, 0.10)),
    (v2(-0.68, 0.16), v2(-0.58, 0.20)),
    (v2(-0.14, 0.20), v2(-0.02, 0.26)),
    (v2(-0.02, 0.26), v2(0.04, 0.26)),
    (v2(-0.14, 0.06), v2(0.06, -0.14)),
    (v2(0.16, 0.40), v2(0.36, 0.36)),
    (v2(0.16, 0.26), v2(0.34, 0.22)),
    (v2(0.36, -0.20), v2(0.50, -0.10)),
    (v2(0.36, -0.28), v2(0.50, -0.24)),
    (v2(0.82, -0.10), v2(0.88, 0.00)),
    (v2(0.88, 0.00), v2(0.70, 0.20)),
    (v2(-0.20, -0.34), v2(0.06, -0.30)),
];

pub(super) fn distance(p: V2) -> f32 {
    rounded_box(p, HALF, 0.06).max(0.065 - corner(p).length())
}

/// Place relative to the mounting hole of the nearest corner.
fn corner(p: V2) -> V2 {
    v2(p.x.abs() - HALF.x + 0.13, p.y.abs() - HALF.y + 0.13)
}

pub(super) fn feature_distance(p: V2, i: usize) -> f32 {
    FEATURES.get(i).map_or(f32::MAX, |feature| {
        let pins = if feature.package == Package::Circuit { v2(0.0, 0.045) } else { V2::default() };
        rounded_box(p - feature.at, feature.half + pins, 0.01)
    })
}

pub(super) fn surface(p: V2, px: f32, piece: &Piece) -> Surface {
    let mut s = board(p, px, piece);
    header(p, px, &mut s);
    for (i, feature) in FEATURES.iter().enumerate() {
        if feature_distance(p, i) > 0.12 {
            continue;
        }
        pads(p - feature.at, px, feature, &mut s);
        if piece.missing != Some(i) {
            let wrong = piece.miscoloured == Some(i);
            body(p - feature.at, px, feature, wrong, &mut s);
        }
    }
    s
}

/// The bare board: weave under the mask, traces, plated corners, print.
fn board(p: V2, px: f32, piece: &Piece) -> Surface {
    let weave = 0.5 * ((p.x * 150.0).sin() + (p.y * 150.0).sin());
    let cloud = value(p.x * 3.0, p.y * 3.0, piece.seed);
    let mut s = Surface { gloss: 0.05, ..Surface::matt(scale(MASK, 1.0 + 0.06 * weave + 0.05 * cloud)) };
    let trace = TRACES.iter().map(|&(a, b)| segment(p, a, b)).fold(f32::MAX, f32::min) - 0.012;
    s.albedo = blend(s.albedo, TRACE, coverage(trace, px));
    let plated = corner(p).length() - 0.105;
    s.cover(Surface { gloss: 0.3, ..Surface::matt(GOLD) }, coverage(plated, px));
    let frame = (rounded_box(p, v2(0.95, 0.65), 0.05).abs() - 0.006).max(0.14 - corner(p).length());
    s.albedo = blend(s.albedo, PRINT, 0.85 * coverage(frame, px));
    s
}

/// Eight gold pins in a black strip along the lower edge.
fn header(p: V2, px: f32, s: &mut Surface) {
    let q = p - v2(-0.05, 0.56);
    s.cover(
        Surface { gloss: 0.05, ..Surface::matt(BLACK) },
        coverage(rounded_box(q, v2(0.50, 0.052), 0.01), px),
    );
    let pin = v2((q.x + 0.50).rem_euclid(0.125) - 0.0625, q.y);
    let inside = if q.x.abs() < 0.5 { coverage(rounded_box(pin, v2(0.024, 0.024), 0.004), px) } else { 0.0 };
    s.cover(Surface { gloss: 0.45, slope: pin * 6.0, ..Surface::matt(GOLD) }, inside);
}

/// Tinned copper where the part is soldered.
fn pads(q: V2, px: f32, feature: &Feature, s: &mut Surface) {
    let tin = Surface { gloss: 0.30, slope: v2(0.0, q.y.signum() * 0.2), ..Surface::matt(TIN) };
    let d = match feature.package {
        Package::Chip(_) => rounded_box(v2(q.x.abs() - 0.058, q.y), v2(0.026, 0.036), 0.008),
        Package::Circuit => {
            let along = (q.x + feature.half.x).rem_euclid(0.07) - 0.035;
            let row = rounded_box(v2(along, q.y.abs() - feature.half.y - 0.012), v2(0.016, 0.036), 0.006);
            row.max(q.x.abs() - feature.half.x)
        }
    };
    s.cover(tin, coverage(d, px));
}

/// The part itself, with a shadow at its foot and a bevelled edge.
fn body(q: V2, px: f32, feature: &Feature, wrong: bool, s: &mut Surface) {
    let half = if feature.package == Package::Circuit { feature.half - v2(0.0, 0.02) } else { feature.half };
    let d = rounded_box(q, half, 0.008);
    s.open *= 1.0 - 0.45 * smooth(0.03, 0.0, rounded_box(q - v2(-0.012, 0.014), half, 0.01));
    let colour = match feature.package {
        _ if wrong => ORANGE,
        Package::Circuit => BLACK,
        Package::Chip(colour) => colour,
    };
    let edge = smooth(-0.03, 0.0, d);
    let out =
        if q.x.abs() / half.x > q.y.abs() / half.y { v2(q.x.signum(), 0.0) } else { v2(0.0, q.y.signum()) };
    let mut top = Surface { gloss: 0.05, slope: out * (-0.9 * edge), ..Surface::matt(colour) };
    match feature.package {
        Package::Chip(_) => top.albedo = blend(top.albedo, TIN, coverage(half.x * 0.62 - q.x.abs(), px)),
        Package::Circuit => marking(q, half, px, &mut top),
    }
    s.cover(top, coverage(d, px));
    s.open += (1.0 - s.open) * coverage(d, px);
}

/// The dot at the first pin and two lines of grey lettering.
fn marking(q: V2, half: V2, px: f32, top: &mut Surface) {
    let dot = (q - v2(-half.x + 0.035, half.y - 0.03)).length() - 0.012;
    let column = (q.x / 0.022).floor();
    let stroke = ((q.x - (column + 0.5) * 0.022).abs() - 0.007).max(q.x.abs() - half.x * 0.7);
    let line = (q.y + 0.012).abs() - 0.010;
    let second = (q.y - 0.022).abs() - 0.008;
    let text = stroke.max(line.min(second));
    top.albedo = blend(top.albedo, [0.16, 0.16, 0.16], coverage(dot.min(text), px));
}
