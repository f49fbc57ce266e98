//! Detection models: what turns features, and what a bank knows, into a map of raw scores.
//!
//! A family is one folder here and one arm of [`Decoder::from_weights`], or of [`reconstruction_in`]. Importing frames, encoding, banks, post-processing,
//! metadata and drawing know none of them. `reconstruction` is what two families have in common.

mod decoder;
mod family;
pub mod mambaad;
#[cfg(any(test, feature = "testing"))]
pub mod mean;
pub mod pyramid_mamba;
pub mod reconstruction;
// A door for tests.
#[doc(hidden)]
pub mod scan_order;
pub mod snarm;

use snarm_kernels::Precision;

pub use self::decoder::{Decoder, shipped};
pub use self::family::{Model, Provenance, Trained};
use crate::encoder::Geometry;
use crate::error::{Error, Result};
use crate::files::Weights;

impl Decoder {
    /// Takes the tensors of an open file, and what it says of them, for products in that precision. Here the families meet: each is an arm.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_weights(file: &Weights, precision: Precision) -> Result<Self> {
        if let Some(decoder) = reconstruction_in(file, precision)? {
            return Ok(Self::from(decoder));
        }
        let snarm = || Ok(Self::from(snarm::decoder::SnarmDecoder::from_weights(file, precision)?));
        match family(file) {
            None => snarm(),
            Some(name) if name == snarm::decoder::FAMILY => snarm(),
            #[cfg(any(test, feature = "testing"))]
            Some(name) if name == mean::FAMILY => Ok(Self::from(mean::Mean::from_weights(file)?)),
            Some(other) => {
                let expected = format!("a decoder of one of the families {}", trainable().join(", "));
                Err(Error::wrong_file("decoder", file.path(), expected, format!("one of the family {other}")))
            }
        }
    }
}

/// The decoder in a file, where it is one that reconstructs features: a file of ours, or a published checkpoint, which does
/// not say so. Its products are in that precision.
///
/// # Errors
/// When tensors or tables are not those of its family, or the file contradicts itself.
pub fn reconstruction_in(
    file: &Weights,
    precision: Precision,
) -> Result<Option<reconstruction::Reconstruction>> {
    let kind = match family(file) {
        Some(name) => reconstructing(&name).map(|(kind, _)| kind),
        None if file.about().is_some() => None,
        None if reconstruction::has_quarters(file) => Some(&pyramid_mamba::KIND),
        None => reconstruction::is_in(file).then_some(&mambaad::KIND),
    };
    kind.map(|kind| reconstruction::Reconstruction::from_weights(kind, file, precision)).transpose()
}

/// Names of the families that are trained, SNARM first.
pub fn trainable() -> [&'static str; 3] {
    [snarm::decoder::FAMILY, mambaad::KIND.family, pyramid_mamba::KIND.family]
}

/// The family of that name with its published sizes, where it is one that reconstructs features.
pub fn reconstructing(name: &str) -> Option<(&'static reconstruction::Kind, reconstruction::Shape)> {
    let published = reconstruction::Shape::published;
    match name {
        name if name == mambaad::KIND.family => {
            Some((&mambaad::KIND, published(8, scan_order::Curve::Hilbert)))
        }
        name if name == pyramid_mamba::KIND.family => {
            Some((&pyramid_mamba::KIND, published(4, scan_order::Curve::Sweep)))
        }
        _ => None,
    }
}

/// The family that the header of a file of ours names; nothing in files of SNARM.
fn family(file: &Weights) -> Option<String> {
    let header: serde_json::Value = serde_json::from_str(file.about()?).ok()?;
    header["family"].as_str().map(str::to_owned)
}

/// The model of a decoder for features of that geometry; without one SNARM, whose hybrid residuals themselves are then the
/// score.
///
/// # Errors
/// When the geometry is none that the model reads.
pub fn model(geometry: &Geometry, decoder: Option<&Decoder>) -> Result<Box<dyn Model>> {
    match decoder {
        Some(decoder) => decoder.model(geometry),
        None => Ok(Box::new(snarm::Snarm::training_free(geometry.grid(), geometry.width())?)),
    }
}

/// Whether the model of a decoder, or SNARM without one, compares frames with the descriptors of a bank.
pub fn needs_memory(decoder: Option<&Decoder>) -> bool {
    decoder.is_none_or(|decoder| decoder.needs_memory())
}
