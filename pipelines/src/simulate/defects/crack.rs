//! Cracks: jagged lines that start at the edge and branch.

use crate::simulate::geometry::{V2, coverage, segment, v2};
use crate::simulate::parts::PartKind;
use crate::simulate::surface::{Surface, blend};

/// A straight piece of a crack and its width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    from: V2,
    to: V2,
    half: f32,
}

const STEPS: usize = 7;

/// The pieces of one crack, from numbers in 0..1.
pub(super) fn lines(part: PartKind, unit: &mut impl FnMut() -> f32) -> Vec<Line> {
    let mut at = V2::polar(std::f32::consts::TAU * unit()) * 0.97;
    if part == PartKind::Plate {
        at = v2(1.2 * unit() - 0.6, 0.69 * at.y.signum());
    }
    let inwards =
        if part == PartKind::Plate { v2(0.3 * unit() - 0.15, -at.y).angle() } else { (at * -1.0).angle() };
    let mut all = Vec::new();
    let mut branch = None;
    for step in 0..STEPS {
        let heading = inwards + 1.5 * (unit() - 0.5);
        let to = at + V2::polar(heading) * (0.055 + 0.045 * unit());
        all.push(Line { from: at, to, half: width(step) });
        if step == 2 {
            branch = Some((to, inwards + if unit() > 0.5 { 1.0 } else { -1.0 }));
        }
        at = to;
    }
    if let Some((mut at, heading)) = branch {
        for step in 3..6 {
            let to = at + V2::polar(heading + 1.2 * (unit() - 0.5)) * 0.055;
            all.push(Line { from: at, to, half: 0.7 * width(step) });
            at = to;
        }
    }
    all
}

/// Cracks close towards their end.
fn width(step: usize) -> f32 {
    0.017 * (1.0 - 0.75 * step as f32 / STEPS as f32)
}

pub(super) fn apply(lines: &[Line], p: V2, px: f32, s: &mut Surface) -> f32 {
    let distance = |p: V2| lines.iter().map(|l| segment(p, l.from, l.to) - l.half).fold(f32::MAX, f32::min);
    let d = distance(p);
    if d > 0.05 {
        return 0.0;
    }
    let lip = coverage(distance(p - v2(0.010, 0.010)), px);
    s.albedo = blend(s.albedo, s.albedo.map(|v| (1.5 * v).min(0.8)), 0.5 * lip);
    let open = coverage(d, px);
    s.cover(Surface { open: 0.25, ..Surface::matt([0.02, 0.018, 0.016]) }, 0.95 * open);
    open.max(0.6 * lip)
}
