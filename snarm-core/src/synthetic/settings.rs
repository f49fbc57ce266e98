//! What differs between the published recipes, as numbers.

use std::ops::RangeInclusive;

use serde::Serialize;

use super::defects::DefectKind;
use super::perlin::Lattice;
use crate::error::{Error, Result};

/// What becomes of a component of the mask that is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Small {
    /// The whole mask is drawn anew.
    Reject,
    /// The component is removed.
    Remove,
}

/// How synthetic defects are made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Share of the defect in the blend, drawn evenly from this range.
    pub opacity: RangeInclusive<f32>,
    /// Probability that a Perlin mask is filled with a texture rather than with shuffled tiles of the image.
    pub texture_share: f64,
    /// Whether textures pass through three random operations too.
    pub augment_textures: bool,
    /// Tiles along each side when an image is shuffled.
    pub tile_grid: usize,
    /// Perlin lattices have 2^0 to 2^this cells along each axis.
    pub octaves: u32,
    /// How lattice cells meet sides that they do not divide.
    pub lattice: Lattice,
    /// The part of the image's area that every component of a mask must exceed, and so must what is outside the mask.
    pub min_area: f64,
    /// What becomes of a mask with a smaller component.
    pub small: Small,
    /// Share of the images that stay as they are, with an empty mask.
    pub normal_share: f64,
    /// Whether defects stay on the object, told from the background by the colour of the image's border.
    pub foreground: bool,
    /// Probability of a defect of `extra` rather than one of a Perlin mask.
    pub extra_share: f64,
    /// Kinds of defects beside those of Perlin masks, all equally likely.
    pub extra: Vec<DefectKind>,
    /// Mean change within the mask, in levels of 255, that a defect of `extra` must reach to count as visible.
    pub min_contrast: f64,
}

impl Settings {
    /// SNARM on MVTec AD: opacity 0.3 to 1, an 8 x 8 grid, components above 250 pixels of 392 x 392.
    pub fn snarm() -> Self {
        Self {
            opacity: 0.3..=1.0,
            texture_share: 0.5,
            augment_textures: false,
            tile_grid: 8,
            octaves: 5,
            lattice: Lattice::Drifting,
            min_area: 250.0 / (392.0 * 392.0),
            small: Small::Reject,
            normal_share: 0.0,
            foreground: false,
            extra_share: 0.0,
            extra: DefectKind::ALL.to_vec(),
            min_contrast: 6.0,
        }
    }

    /// SNARM on VisA, MVTec 3D-AD and Real-IAD: as [`Settings::snarm`], with components of any size.
    pub fn snarm_any_size() -> Self {
        Self { min_area: 0.0, ..Self::snarm() }
    }

    /// ADClick: opacity 0.5 to 1.
    pub fn adclick() -> Self {
        Self { opacity: 0.5..=1.0, ..Self::snarm() }
    }

    /// DRAEM: augmented textures only, opacity 0.2 to 1, half of the images stay normal, masks of any size.
    pub fn draem() -> Self {
        Self {
            opacity: 0.2..=1.0,
            texture_share: 1.0,
            augment_textures: true,
            lattice: Lattice::Exact,
            min_area: 0.0,
            normal_share: 0.5,
            ..Self::snarm()
        }
    }

    /// CPR: a 16 x 16 grid, opacity 0.5 to 1, one image of ten stays normal, components below 0.1 % of the area and
    /// those beside the object are removed.
    pub fn cpr() -> Self {
        Self {
            opacity: 0.5..=1.0,
            tile_grid: 16,
            min_area: 0.001,
            small: Small::Remove,
            normal_share: 0.1,
            foreground: true,
            ..Self::snarm()
        }
    }

    /// SNARM's recipe on the object alone, with every kind of defect mixed in, small ones too: for products that nobody has
    /// seen.
    pub fn general() -> Self {
        Self { foreground: true, extra_share: 0.5, min_area: 40.0 / (392.0 * 392.0), ..Self::snarm() }
    }

    /// Refuses settings outside what they may be.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first such setting.
    pub fn check(&self) -> Result<()> {
        let wrong = |name, expected: &str, found: String| {
            Err(Error::Setting { name, expected: expected.to_owned(), found })
        };
        let (low, high) = (*self.opacity.start(), *self.opacity.end());
        if !(0.0 <= low && low <= high && high <= 1.0) {
            return wrong("opacity", "a range within 0 to 1", format!("{low} to {high}"));
        }
        for (name, share) in [
            ("texture share", self.texture_share),
            ("normal share", self.normal_share),
            ("share of extra defects", self.extra_share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return wrong(name, "a number from 0 to 1", share.to_string());
            }
        }
        if !(0.0..0.5).contains(&self.min_area) {
            return wrong("smallest component", "a part of the area, 0 to 0.5", self.min_area.to_string());
        }
        if !(0.0..128.0).contains(&self.min_contrast) {
            return wrong("smallest contrast", "0 to 128 levels", self.min_contrast.to_string());
        }
        if self.tile_grid == 0 {
            return wrong("tile grid", "at least 1 tile along each side", "0".to_owned());
        }
        if self.octaves > 8 {
            return wrong("Perlin octaves", "0 to 8", self.octaves.to_string());
        }
        if self.extra_share > 0.0 && self.extra.is_empty() {
            return wrong("extra defects", "at least one kind", "none".to_owned());
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::snarm()
    }
}
