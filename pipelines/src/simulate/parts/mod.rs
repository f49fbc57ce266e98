//! The products of the line. Each is described in its own coordinates, about one unit in radius, by a silhouette
//! and by what its surface looks like.

mod cap;
mod flange;
mod plate;

use super::geometry::{V2, v2};
use super::surface::Surface;

/// What the line makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PartKind {
    /// A turned metal flange with bolt holes.
    Flange,
    /// A plastic bottle cap with a printed star.
    Cap,
    /// A circuit board with parts on it.
    Plate,
}

/// What sets one piece apart from the next of its kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Piece {
    /// Seed of its texture.
    pub(crate) seed: u32,
    /// Number of the feature that was forgotten.
    pub(crate) missing: Option<usize>,
    /// Number of the feature that came in another colour.
    pub(crate) miscoloured: Option<usize>,
    /// Whether its nest is empty.
    pub(crate) absent: bool,
}

impl PartKind {
    /// Signed distance to the silhouette; holes are outside.
    pub(crate) fn distance(self, p: V2, piece: &Piece) -> f32 {
        match self {
            Self::Flange => flange::distance(p, piece),
            Self::Cap => cap::distance(p),
            Self::Plate => plate::distance(p),
        }
    }

    /// The surface at `p`, for pixels of side `px`.
    pub(crate) fn surface(self, p: V2, px: f32, piece: &Piece) -> Surface {
        match self {
            Self::Flange => flange::surface(p, px, piece),
            Self::Cap => cap::surface(p, px, piece),
            Self::Plate => plate::surface(p, px, piece),
        }
    }

    /// Number of features that can be forgotten or miscoloured.
    pub(crate) fn n_features(self) -> usize {
        match self {
            Self::Flange => flange::N_HOLES,
            Self::Cap => 1,
            Self::Plate => plate::FEATURES.len(),
        }
    }

    /// Signed distance to the area that changes when feature `i` is forgotten.
    pub(crate) fn missing_area(self, p: V2, i: usize) -> f32 {
        match self {
            Self::Flange => flange::hole_distance(p, i) - 0.03,
            Self::Cap => cap::star_distance(p),
            Self::Plate => plate::feature_distance(p, i),
        }
    }

    /// Signed distance to the area of feature `i` in another colour.
    pub(crate) fn colour_area(self, p: V2, i: usize) -> f32 {
        match self {
            Self::Flange => flange::hub_distance(p),
            Self::Cap => cap::distance(p),
            Self::Plate => plate::feature_distance(p, i),
        }
    }

    /// A place on the surface for a defect, from two numbers in 0..1.
    pub(crate) fn place(self, a: f32, b: f32) -> V2 {
        match self {
            Self::Flange => V2::polar(a * std::f32::consts::TAU) * (0.45 + 0.4 * b),
            Self::Cap => V2::polar(a * std::f32::consts::TAU) * (0.2 + 0.5 * b),
            Self::Plate => v2(1.5 * a - 0.75, b - 0.5),
        }
    }

    /// Distance from the centre beyond which there is nothing of the part, nor of the edge of its shadow.
    pub(crate) fn reach(self) -> f32 {
        if self == Self::Plate { 1.30 } else { 1.08 }
    }

    /// Radius in pixels in a frame of that height.
    pub(crate) fn radius(self, height: usize) -> f32 {
        let share = if self == Self::Plate { 0.40 } else { 0.33 };
        share * height as f32
    }

    /// Most that a piece is turned in its nest, in radians.
    pub(crate) fn most_turn(self) -> f32 {
        if self == Self::Plate { 0.04 } else { 0.10 }
    }
}
