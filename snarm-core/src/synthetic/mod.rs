//! Training images that nobody has to collect: defects put into good images, textures, whole products, and the views
//! of few-shot learning.
//!
//! [`Synthesizer`] puts one defect into one good image and returns the image with its mask, by the recipe of SNARM and
//! its siblings ([`Settings::snarm`], [`Settings::draem`], [`Settings::cpr`], [`Settings::adclick`]): a mask of Perlin
//! noise, filled with a texture or with the image's own shuffled tiles. Scratches, stains, misplaced patches, blur and
//! colour shifts can be mixed in. [`texture::Texture`] draws textures without any file, [`product::Product`] whole
//! classes of products, and [`augmentation::few_shot`] the 22 views of an image.
//!
//! Every image follows from a [`Draw`] (seed, image, variant) alone: neither the order of the calls nor the number of
//! threads changes a byte, and each call may run on a thread of its own.

pub mod accept;
pub mod augmentation;
pub mod defects;
mod foreground;
pub mod noise;
pub mod ops;
pub mod perlin;
pub mod plane;
pub mod product;
mod sampling;
mod settings;
mod synthesizer;
pub mod texture;
mod tiles;

pub use foreground::foreground;
pub use settings::{Settings, Small};
pub use synthesizer::{Filling, Synthesizer, Synthetic};
pub use tiles::shuffle_tiles;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Names one synthetic image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the image in its set.
    pub image: u32,
    /// Which of the defects made from this image.
    pub variant: u32,
}

impl Draw {
    /// The generator of random numbers that belongs to this draw.
    pub fn rng(self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((u64::from(self.image) << 32) | u64::from(self.variant));
        rng
    }
}
