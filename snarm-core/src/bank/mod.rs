//! The memory of what normal looks like: descriptors of good frames, how they were made, and what good frames score
//! that it does not know.

mod blocks;
mod builder;
mod calibration;
mod converted;
mod coreset;
mod file;
mod memory;
mod novelty;
mod reservoir;
mod sample;
mod stage;
mod tail;
mod validation;

use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use snarm_kernels::nearest::Rows;

pub use self::builder::BankBuilder;
pub use self::calibration::Calibration;
pub use self::memory::Memory;
pub use self::stage::BuildStage;
use crate::encoder::{Encoder, Layers};
use crate::error::{Error, Result};
use crate::view::{Crop, IgnoreMask, Rect, View};

/// How collected descriptors are thinned to the bank's capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Kept as collected; more than the capacity is an even random sample of the stream.
    None,
    /// An even random sample of the capacity's size.
    Random,
    /// Greedy coreset: each pick is the descriptor farthest from all picks before it.
    #[default]
    Greedy,
}

/// How a bank is made.
#[derive(Debug, Clone, PartialEq)]
pub struct BankSettings {
    /// Descriptors kept after reduction.
    pub capacity: usize,
    /// How descriptors are thinned.
    pub reduction: Reduction,
    /// Fraction of the frames, 0..0.5, whose descriptors do not count when one of them is scored for the thresholds: the
    /// frame itself and its neighbours in time. With 0 it is the frame alone.
    pub calibration_fraction: f64,
    /// Part of the frames that is looked at, and how it is brought to the network's square.
    pub view: View,
    /// Frames that differ less than this from the last learned ones are left out (0: none), see
    /// [`BankBuilder::novelty`].
    pub min_novelty: f64,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for BankSettings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            reduction: Reduction::Greedy,
            calibration_fraction: 0.2,
            view: View::default(),
            min_novelty: 0.0,
            seed: 0,
        }
    }
}

/// What a bank says about itself: the header of its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Name or path of the encoder as it was given when the bank was made.
    pub encoder: String,
    /// Digest of the encoder's weights.
    pub encoder_digest: String,
    /// Side of the encoder's input in pixels.
    pub side: usize,
    /// Side of the grid of descriptors.
    pub grid: usize,
    /// Blocks in the two groups that a descriptor is made of.
    pub layers: [std::ops::Range<usize>; 2],
    /// How frames are brought to the input.
    pub crop: Crop,
    /// Region of interest; `None` is the whole frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roi: Option<Rect>,
    /// Width and height of the ignore mask, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_mask: Option<[usize; 2]>,
    /// Bits that samples of 16 bits hold in the pictures that were learned, where there were such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_bits: Option<u8>,
    /// Good frames seen.
    pub frames: usize,
    /// How descriptors were thinned.
    pub reduction: Reduction,
    /// Seed of the random choices.
    pub seed: u64,
    /// Program and version that made the bank.
    pub made_by: String,
}

/// A memory bank. Immutable: streams share it.
#[derive(Debug)]
pub struct Bank {
    header: Header,
    calibration: Calibration,
    trained: Vec<Calibration>,
    ignore: Option<Arc<IgnoreMask>>,
    memory: Memory,
    digest: String,
}

impl Bank {
    /// `calibration` is that of the residual score, `trained` are those of trained heads.
    fn new(
        header: Header,
        calibration: Calibration,
        trained: Vec<Calibration>,
        ignore: Option<Arc<IgnoreMask>>,
        memory: Memory,
    ) -> Self {
        let memory = memory.with_level_of(&calibration);
        let digest = file::digest(&header, &calibration, &trained, ignore.as_deref(), &memory);
        Self { header, calibration, trained, ignore, memory, digest }
    }

    /// Opens a bank file.
    ///
    /// # Errors
    /// When the file is missing, unreadable, truncated or not a bank of this version.
    pub fn open(path: &Path) -> Result<Self> {
        file::open(path)
    }

    /// Writes the bank: to a temporary file beside `path`, synced, then renamed, so that an old bank is never lost.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        file::save(self, path, Vec::new())
    }

    /// As [`Self::save`], with tensors beside its own that nothing but a conversion reads.
    pub(crate) fn save_with(&self, path: &Path, more: Vec<(&str, TensorView<'_>)>) -> Result<()> {
        file::save(self, path, more)
    }

    /// Checks that an encoder is the one the bank was made with.
    ///
    /// # Errors
    /// When its weights or its geometry are others, with both.
    pub fn check_encoder(&self, encoder: &Encoder) -> Result<()> {
        let (header, geometry) = (&self.header, encoder.geometry());
        if header.encoder_digest != encoder.digest() {
            let expected = format!("the weights {} ({})", header.encoder_digest, header.encoder);
            let found = format!("{} ({})", encoder.digest(), encoder.name());
            return Err(Error::Mismatch { what: "encoder of the bank", expected, found });
        }
        let theirs = (header.side, header.grid, self.width(), header.layers.clone());
        let ours = (geometry.side, geometry.grid, geometry.width, layers_of(encoder));
        if theirs != ours {
            let expected = format!("side, grid, width and layers {theirs:?}");
            return Err(Error::Mismatch {
                what: "geometry of the bank",
                expected,
                found: format!("{ours:?}"),
            });
        }
        Ok(())
    }

    /// Number of descriptors.
    pub fn vectors(&self) -> usize {
        self.memory.vectors()
    }

    /// Width of a descriptor.
    pub fn width(&self) -> usize {
        self.memory.width()
    }

    /// Good frames seen when the bank was made.
    pub fn frames(&self) -> usize {
        self.header.frames
    }

    /// The descriptors and where they come from.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The descriptors.
    pub fn rows(&self) -> Rows<'_> {
        self.memory.rows()
    }

    /// Number of the image that each descriptor was taken from.
    pub fn images(&self) -> &[u32] {
        self.memory.images()
    }

    /// SHA-256 of header, calibrations and descriptors, in hexadecimal: the bank's identity.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the bank says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Name or path of the encoder as it was given when the bank was made.
    pub fn encoder_name(&self) -> &str {
        &self.header.encoder
    }

    /// How frames are brought to the network's square.
    pub fn crop(&self) -> Crop {
        self.header.crop
    }

    /// The part of the frames that was learned, and how it is brought to the network's square.
    pub fn view(&self) -> View {
        View { crop: self.header.crop, roi: self.header.roi, ignore: self.ignore.clone() }
    }

    /// Score distribution of good frames without a trained head.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Score distributions of good frames, one for each scorer, the one without a trained head first.
    pub fn calibrations(&self) -> impl Iterator<Item = &Calibration> {
        std::iter::once(&self.calibration).chain(&self.trained)
    }

    /// The score distribution of good frames for that scorer.
    pub fn calibration_of(&self, scorer: &str) -> Option<&Calibration> {
        self.calibrations().find(|calibration| calibration.scorer == scorer)
    }
}

/// The two groups of blocks that an encoder's descriptors are made of.
fn layers_of(encoder: &Encoder) -> [std::ops::Range<usize>; 2] {
    let Layers { first, second } = encoder.layers();
    [first, second]
}
