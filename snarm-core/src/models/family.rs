//! What a family of models is to everybody else: a trained part that streams share, and a model for each of them.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, Place};

use crate::bank::{Calibration, Memory};
use crate::detect::{ImageScore, StageTimes};
use crate::encoder::{Encoder, Features, Geometry};
use crate::error::{Error, Result};

/// The trained part of a model, ready to run. Immutable: streams share it.
pub trait Trained: Send + Sync {
    /// Name of the family.
    fn family(&self) -> &'static str;

    /// What it is, in a line: its family, what it reads, and its sizes.
    fn summary(&self) -> String;

    /// SHA-256 of its weights, in hexadecimal.
    fn digest(&self) -> &str;

    /// SHA-256 of the file that it was read from, in hexadecimal: its weights and what it says of itself.
    fn content(&self) -> &str;

    /// What calibrations made with it are filed under: a name and the digest.
    fn scorer(&self) -> &str;

    /// What it learned from, where its file says so.
    fn provenance(&self) -> Option<&Provenance>;

    /// The calibration that came with it, for banks that were not calibrated with it.
    fn calibration(&self) -> Option<&Calibration>;

    /// Whether its model compares frames with the descriptors of a bank.
    fn needs_memory(&self) -> bool;

    /// Name or path of the encoder that it was trained for, which its file holds or names; nothing where the file does not
    /// know it.
    fn encoder(&self) -> Option<&str>;

    /// Digest of that encoder's weights; nothing where its file holds the encoder, or does not know it.
    fn encoder_digest(&self) -> Option<&str>;

    /// Checks that an encoder is the one that it was trained for.
    ///
    /// # Errors
    /// When its features are others, with both.
    fn check_encoder(&self, encoder: &Encoder) -> Result<()>;

    /// A model for one stream of features of that geometry.
    ///
    /// # Errors
    /// When it reads features of another geometry.
    fn model(self: Arc<Self>, geometry: &Geometry) -> Result<Box<dyn Model>>;
}

/// A detection model with the scratch of one stream.
pub trait Model: Send {
    /// What calibrations made with this model are filed under.
    fn scorer(&self) -> &str;

    /// Rows and columns of the map of raw scores.
    fn map_size(&self) -> Grid;

    /// How its map becomes a score of the image.
    fn image_score(&self) -> ImageScore {
        ImageScore::Windows
    }

    /// Compares features in the memory of a device from now on, with a copy of that memory of a bank.
    ///
    /// # Errors
    /// When the family runs on the host alone, or the device lacks the memory.
    fn move_to(&mut self, place: &Place, _memory: Option<&Memory>) -> Result<()> {
        match place {
            Place::Host => Ok(()),
            Place::Cuda(_) => Err(not_there(self.scorer())),
        }
    }

    /// Raw scores (rows, columns) of one frame. Rows of the memory from image `unlike` do not count: a frame that is in
    /// the bank is so scored as if it were not. Tokens that `ignored` names (empty: none) are compared with nothing; their
    /// scores mean nothing. Each stage adds its time to `times`.
    ///
    /// # Errors
    /// When the features do not fit the model or the memory, or the model needs a memory and there is none.
    fn score(
        &mut self,
        features: &Features<'_>,
        memory: Option<&Memory>,
        unlike: Option<u32>,
        ignored: &[bool],
        times: &mut StageTimes,
    ) -> Result<&[f32]>;

    /// As [`Self::score`] of features in the memory of a device, where [`Self::move_to`] has brought this, and where the scores
    /// stay. Nobody waits for the device, and what is launched depends on sizes and on `ignored` alone, so that it can be
    /// recorded and launched again for other frames.
    ///
    /// # Errors
    /// As there, and when the family runs on the host alone.
    fn score_there(
        &mut self,
        _features: &Features<'_>,
        _memory: Option<&Memory>,
        _ignored: &[bool],
    ) -> Result<&Buffer> {
        Err(not_there(self.scorer()))
    }

    /// What the last stage of the last frame consists of, where that is known.
    fn parts(&self) -> Vec<(&'static str, Duration)> {
        Vec::new()
    }
}

/// What a family that runs on the host alone says to a device.
fn not_there(scorer: &str) -> Error {
    Error::Mismatch {
        what: "device",
        expected: "a family of models that runs there".to_owned(),
        found: format!("that of {scorer}"),
    }
}

/// What a decoder learned from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Names of the categories.
    pub categories: Vec<String>,
    /// Optimiser steps.
    pub steps: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Name of the data set, and in which setting it was used.
    pub data: String,
}
