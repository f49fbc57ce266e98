//! What can be wrong with a piece. Each defect changes the surface and says which part of each pixel it covers;
//! that is the ground truth.

mod crack;
mod foreign;
mod marks;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::geometry::{V2, coverage, v2};
use super::parts::{PartKind, Piece};
use super::surface::{Rgb, Surface};

/// The kinds of defects, named as their folders are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DefectKind {
    Scratch,
    Dent,
    Missing,
    Stain,
    Colour,
    Crack,
    Foreign,
    Displaced,
    Turned,
    Absent,
}

/// What is wrong with defective pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Defects {
    /// Something is damaged: scratch, dent, missing feature, stain, colour, crack, foreign body
    Structural,
    /// The piece is intact and lies wrong: displaced, turned, absent
    Logical,
}

impl Defects {
    /// In the order in which they come.
    pub(crate) fn kinds(self) -> &'static [DefectKind] {
        use DefectKind::*;
        match self {
            Self::Structural => &[Scratch, Missing, Stain, Crack, Foreign, Colour, Dent],
            Self::Logical => &[Displaced, Turned, Absent],
        }
    }
}

impl DefectKind {
    /// Name of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Dent => "dent",
            Self::Missing => "missing",
            Self::Stain => "stain",
            Self::Colour => "colour",
            Self::Crack => "crack",
            Self::Foreign => "foreign",
            Self::Displaced => "displaced",
            Self::Turned => "turned",
            Self::Absent => "absent",
        }
    }
}

/// One defect on one piece, in the coordinates of the piece.
#[derive(Debug, Clone)]
pub(crate) struct Defect {
    pub(crate) kind: DefectKind,
    at: V2,
    angle: f32,
    size: f32,
    seed: u32,
    feature: usize,
    lines: Vec<crack::Line>,
}

impl Defect {
    /// Draws a defect of that kind for a part.
    pub(crate) fn draw(kind: DefectKind, part: PartKind, rng: &mut ChaCha8Rng) -> Self {
        let mut unit = || rng.random_range(0.0f32..1.0);
        let (mut at, size) = (part.place(unit(), unit()), 0.10 + 0.10 * unit());
        let angle = std::f32::consts::TAU * unit();
        let feature = (unit() * part.n_features() as f32) as usize % part.n_features();
        let seed = (unit() * 65536.0) as u32;
        if kind == DefectKind::Foreign && seed.is_multiple_of(3) {
            at = at * 1.25;
        }
        let lines = if kind == DefectKind::Crack { crack::lines(part, &mut unit) } else { Vec::new() };
        Self { kind, at, angle, size, seed, feature, lines }
    }

    /// Tells the piece what was forgotten or miscoloured, or that it is not there.
    pub(crate) fn mark(&self, piece: &mut Piece) {
        match self.kind {
            DefectKind::Missing => piece.missing = Some(self.feature),
            DefectKind::Colour => piece.miscoloured = Some(self.feature),
            DefectKind::Absent => piece.absent = true,
            _ => {}
        }
    }

    /// How far from its place the piece lies, in its radii, and by how much it is turned, in radians. It stays between the rails.
    pub(crate) fn displacement(&self) -> (V2, f32) {
        let side = if self.angle < std::f32::consts::PI { 1.0 } else { -1.0 };
        match self.kind {
            DefectKind::Displaced => {
                (v2(side * (2.5 * self.size + 0.2), 0.5 * self.at.y.clamp(-0.3, 0.3)), 0.0)
            }
            DefectKind::Turned => (v2(0.0, 0.0), side * (2.0 * self.size + 0.15)),
            _ => (v2(0.0, 0.0), 0.0),
        }
    }

    /// Changes the surface at `p` and returns how much of the pixel is defective.
    pub(crate) fn apply(&self, part: PartKind, p: V2, px: f32, surface: &mut Surface) -> f32 {
        let q = (p - self.at).rotated(-self.angle);
        match self.kind {
            DefectKind::Scratch => marks::scratch(q, px, self.size, self.seed, surface),
            DefectKind::Dent => marks::dent(q, px, self.size, self.angle, surface),
            DefectKind::Stain => marks::stain(q, px, self.size, self.seed, surface),
            DefectKind::Crack => crack::apply(&self.lines, p, px, surface),
            DefectKind::Missing => coverage(part.missing_area(p, self.feature), px),
            DefectKind::Colour => coverage(part.colour_area(p, self.feature), px),
            DefectKind::Foreign => 0.0,
            DefectKind::Displaced | DefectKind::Turned | DefectKind::Absent => 1.0,
        }
    }

    /// The foreign body at `p`, where there is one: its surface and how much of the pixel it covers.
    pub(crate) fn body(&self, p: V2, px: f32) -> Option<(Surface, f32)> {
        if self.kind != DefectKind::Foreign {
            return None;
        }
        foreign::body((p - self.at).rotated(-self.angle), px, self.size, self.seed, self.angle)
    }

    /// How much of the light the foreign body takes from `p`.
    pub(crate) fn shadow(&self, p: V2) -> f32 {
        if self.kind != DefectKind::Foreign {
            return 0.0;
        }
        foreign::shadow((p - self.at).rotated(-self.angle), self.size, self.seed)
    }
}

/// Grey of bare, scraped material.
const BARE: Rgb = [0.62, 0.62, 0.60];
