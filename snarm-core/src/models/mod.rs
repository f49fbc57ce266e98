//! Detection models: what turns features, and what a bank knows, into a map of raw scores.
//!
//! A family is one folder here and one arm of [`Decoder::from_weights`]. Importing frames, encoding, banks, post-processing,
//! metadata and drawing know none of them.

mod decoder;
mod family;
#[cfg(any(test, feature = "testing"))]
pub mod mean;
// A door for tests.
#[doc(hidden)]
pub mod scan_order;
pub mod snarm;

pub use self::decoder::{Decoder, shipped};
pub use self::family::{Model, Provenance, Trained};
use crate::encoder::Geometry;
use crate::error::Result;

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
