//! Good image in, image with one defect and its mask out.

use std::path::{Path, PathBuf};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::resize::{Size, opencv_linear};

use super::accept::accept;
use super::defects::{DefectKind, blend};
use super::foreground::foreground;
use super::ops::Op;
use super::settings::Settings;
use super::texture::Texture;
use super::{Draw, perlin, tiles};
use crate::dataset::{self, Mask, Picture, Reading};
use crate::error::{Error, Result};

/// Masks drawn for one image before it is given up.
const ATTEMPTS: usize = 400;

/// A defect outside Perlin masks covers at least this part of the image.
const MIN_EXTRA_AREA: f64 = 2e-4;

/// Makes synthetic defects. Immutable: threads share it.
#[derive(Debug, Clone)]
pub struct Synthesizer {
    settings: Settings,
    /// Texture images; without any, textures are drawn.
    textures: Vec<PathBuf>,
    reading: Reading,
}

/// An image with a synthetic defect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synthetic {
    /// The image.
    pub picture: Picture,
    /// Where the defect is. No pixel outside differs from the good image.
    pub mask: Mask,
    /// What the defect is made of.
    pub filling: Filling,
}

/// What a synthetic defect is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filling {
    /// Nothing: the image was left as it is.
    Normal,
    /// A Perlin mask of a texture.
    Texture,
    /// A Perlin mask of the image's own tiles, shuffled.
    Tiles,
    /// Another kind of defect.
    Extra(DefectKind),
}

impl Filling {
    /// Name in reports and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Texture => "texture",
            Self::Tiles => "tiles",
            Self::Extra(kind) => kind.name(),
        }
    }
}

impl Synthesizer {
    /// Takes textures from [`Texture`].
    ///
    /// # Errors
    /// When a setting lies outside what it may be.
    pub fn new(settings: Settings) -> Result<Self> {
        settings.check()?;
        Ok(Self { settings, textures: Vec::new(), reading: Reading::default() })
    }

    /// Takes textures from the images in `folder` and the folders below it, read as `reading` has it. Without a number of
    /// bits in it, samples of 16 bits hold what is found in all of them.
    ///
    /// # Errors
    /// As [`Synthesizer::new`], and when the folder cannot be read or holds no image.
    pub fn with_textures(settings: Settings, folder: &Path, mut reading: Reading) -> Result<Self> {
        let textures = dataset::images_of(&[folder.to_owned()])?;
        if textures.is_empty() {
            return Err(Error::wrong_file("textures", folder, "images", "none"));
        }
        if reading.bits.is_none() {
            reading.bits = dataset::depth_of(&textures, &reading)?.bits();
        }
        Ok(Self { textures, reading, ..Self::new(settings)? })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Puts one defect into a good image. The result depends on the image, the settings and `draw` alone.
    ///
    /// # Errors
    /// When the fields of the picture do not fit each other, a texture cannot be read, or the settings accept none of
    /// many masks for this image.
    pub fn make(&self, picture: &Picture, draw: Draw) -> Result<Synthetic> {
        // Refuses a picture that is none.
        picture.frame()?;
        let settings = &self.settings;
        let (width, height) = (picture.width, picture.height);
        let mut rng = draw.rng();
        if rng.random_bool(settings.normal_share) {
            let mask = Mask::empty(width, height);
            return Ok(Synthetic { picture: picture.clone(), mask, filling: Filling::Normal });
        }
        let on = match settings.foreground {
            true => foreground(picture)?,
            false => Mask { data: vec![true; width * height], width, height },
        };
        for _ in 0..ATTEMPTS {
            let made = if rng.random_bool(settings.extra_share) {
                self.extra(picture, &on, &mut rng)?
            } else {
                self.perlin(picture, &on, &mut rng)?
            };
            if let Some(made) = made {
                return Ok(made);
            }
        }
        let expected = format!("a defect that the settings accept among {ATTEMPTS}");
        let found = format!("none for an image of {width} x {height}");
        Err(Error::Values { what: "synthetic defect", expected, found })
    }

    /// A texture or shuffled tiles behind a Perlin mask; `None` when the mask is not accepted.
    fn perlin(&self, picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Result<Option<Synthetic>> {
        let settings = &self.settings;
        let mut mask = perlin::mask(picture.width, picture.height, settings.octaves, settings.lattice, rng);
        mask.data.iter_mut().zip(&on.data).for_each(|(marked, on)| *marked &= on);
        if !accept(&mut mask, settings.min_area, settings.small)? {
            return Ok(None);
        }
        let (source, filling) = if rng.random_bool(settings.texture_share) {
            let mut texture = self.texture(picture.width, picture.height, rng)?;
            if settings.augment_textures {
                Op::draw_three(rng).into_iter().for_each(|op| op.apply(&mut texture));
            }
            (texture, Filling::Texture)
        } else {
            let mut copy = picture.clone();
            Op::draw_three(rng).into_iter().for_each(|op| op.apply(&mut copy));
            (tiles::shuffle_tiles(&copy, settings.tile_grid, rng), Filling::Tiles)
        };
        let opacity = rng.random_range(settings.opacity.clone());
        let mut made = picture.clone();
        for i in (0..mask.data.len()).filter(|&i| mask.data[i]) {
            for j in 3 * i..3 * i + 3 {
                made.data[j] = blend(picture.data[j], source.data[j], opacity);
            }
        }
        Ok(Some(Synthetic { picture: made, mask, filling }))
    }

    /// A defect of another kind; `None` when it is too small or cannot be seen.
    fn extra(&self, picture: &Picture, on: &Mask, rng: &mut ChaCha8Rng) -> Result<Option<Synthetic>> {
        let kind = self.settings.extra[rng.random_range(0..self.settings.extra.len())];
        let (made, mask, contrast) = kind.draw(picture, on, rng)?.apply(picture, on);
        let marked = mask.data.iter().filter(|&&v| v).count();
        let enough = marked as f64 >= (MIN_EXTRA_AREA * mask.data.len() as f64).max(1.0);
        let accepted = enough && marked < mask.data.len() && contrast >= self.settings.min_contrast;
        Ok(accepted.then_some(Synthetic { picture: made, mask, filling: Filling::Extra(kind) }))
    }

    /// A texture of that size.
    fn texture(&self, width: usize, height: usize, rng: &mut ChaCha8Rng) -> Result<Picture> {
        if self.textures.is_empty() {
            return Ok(Texture::draw(rng).render(width, height));
        }
        let path = &self.textures[rng.random_range(0..self.textures.len())];
        let texture = Picture::read(path, &self.reading)?;
        let (from, to) = (Size { width: texture.width, height: texture.height }, Size { width, height });
        let data = crate::threads::install(|| opencv_linear(&texture.data, from, to, 3))??;
        Ok(Picture { data, width, height })
    }
}
