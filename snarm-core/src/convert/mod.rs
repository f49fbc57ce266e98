//! Between the files of the published program and ours, both ways: decoders (`decoder`) and banks (`bank`). Published
//! checkpoints of families that reconstruct features become files of ours (`reconstruction`).
//!
//! What the published files lack, the name of their encoder, has to be given; what ours need beyond that is checked where
//! the two can be compared.

mod bank;
mod decoder;
mod reconstruction;

use std::path::Path;
use std::sync::Arc;

use snarm_kernels::Precision;

use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::files::{self, Weights};
use crate::models::reconstruction_in;
use crate::models::snarm::decoder::Shape;
use crate::pickle::Pickle;
use crate::view::Crop;

const WHAT: &str = "file to convert";

/// What the published files do not say.
pub struct Options {
    /// The encoder whose descriptors they are made of.
    pub encoder: Option<Arc<Encoder>>,
    /// How frames were brought to its input.
    pub crop: Crop,
    /// Terms under which the weights may be used.
    pub licence: String,
}

/// What was converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converted {
    /// A published checkpoint to a decoder of ours.
    Decoder {
        /// Its sizes.
        shape: Shape,
        /// Whether it says which encoder it was trained for.
        names_encoder: bool,
    },
    /// A published checkpoint of a family that reconstructs features to a decoder of ours.
    Reconstruction {
        /// Name of the family.
        family: &'static str,
        /// Number of the decoder's parameters.
        parameters: usize,
        /// The encoder that the file names; nothing where the file holds it.
        encoder: Option<String>,
    },
    /// A published bank to one of ours.
    Bank {
        /// Number of descriptors.
        vectors: usize,
        /// Images that they were taken from.
        images: usize,
    },
    /// A decoder of ours to a published checkpoint.
    Checkpoint {
        /// Number of tensors.
        tensors: usize,
        /// Whether the decoder reads relative residuals, which the checkpoint cannot say.
        relative: bool,
    },
    /// A bank of ours to a published one.
    Pickle {
        /// Number of descriptors.
        vectors: usize,
        /// What the bank says that such a file cannot.
        lost: Vec<String>,
    },
}

/// Converts a file to its counterpart: what it is shows in the file itself.
///
/// # Errors
/// When the file is missing or none of these kinds, does not fit the encoder, or `output` cannot be written.
pub fn convert(input: &Path, output: &Path, options: &Options) -> Result<Converted> {
    let bytes = files::read(WHAT, input)?;
    let pickle = if Pickle::recognise(&bytes) { Some(Pickle::of_bytes(input, &bytes)?) } else { None };
    drop(bytes);
    if let Some(pickle) = pickle.as_ref().filter(|pickle| pickle.names().any(|name| name == bank::FEATURES)) {
        return bank::from_pickle(pickle, output, options);
    }
    let file = Weights::open(input)?;
    if let Some(decoder) = reconstruction_in(&file, Precision::F32)? {
        return reconstruction::from_published(&decoder, &file, output, options);
    }
    if let Some(pickle) = &pickle {
        return decoder::from_pickle(pickle, output, options);
    }
    let about: serde_json::Value =
        file.about().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    match about["format"].as_str() {
        Some("snarm-bank") => bank::to_pickle(input, output),
        // A published checkpoint as safetensors has no header of ours.
        Some("snarm-decoder") | None => decoder::to_pickle(&file, output),
        Some(other) => Err(Error::wrong_file(WHAT, input, "a decoder or a bank", format!("format {other}"))),
    }
}
