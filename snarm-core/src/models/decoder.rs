//! The trained part of a model of any family, as one type: what registry, banks, detector, elements and commands know of it.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use snarm_kernels::Precision;

use super::family::{Model, Trained};
use crate::encoder::{Geometry, TINY_1_DIGEST};
use crate::error::Result;
use crate::files::Weights;

/// Decoders that ship with the crate: the digest of the encoder that each was trained for, and the bytes of its file
/// (docs/models/snarm-tiny.md).
const SHIPPED: &[(&str, &[u8])] = &[
    (
        "80d9ebc4ab237610076eb2a4898e3e0019b1b321dfbe9a6363cb09d2fc58177f",
        include_bytes!("../../assets/snarm-tiny-decoder.safetensors"),
    ),
    (TINY_1_DIGEST, include_bytes!("../../assets/snarm-tiny-1-decoder.safetensors")),
];

/// The decoder that ships for the encoder of that digest, if one does: the bytes of its file.
pub fn shipped(encoder_digest: &str) -> Option<&'static [u8]> {
    SHIPPED.iter().find(|(digest, _)| *digest == encoder_digest).map(|(_, bytes)| *bytes)
}

/// A trained decoder of any family, ready to run. Immutable: streams share it.
#[derive(Clone)]
pub struct Decoder(Arc<dyn Trained>);

impl Decoder {
    /// Of the trained part of any family.
    pub fn new(trained: Arc<dyn Trained>) -> Self {
        Self(trained)
    }

    /// Reads a decoder: a file of our own, which says its family and what it was trained for, or a published checkpoint of
    /// SNARM, as safetensors or `.pth`, which does not. Its products are in f32.
    ///
    /// # Errors
    /// When the file is missing, is of a family that is not known, has other tensors than its family, or contradicts
    /// itself.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_in(path, Precision::F32)
    }

    /// As [`Self::open`], with products in that precision.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(path: &Path, precision: Precision) -> Result<Self> {
        Self::from_weights(&Weights::open(path)?, precision)
    }

    /// Reads a decoder file that lies in memory.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn embedded(bytes: &'static [u8], precision: Precision) -> Result<Self> {
        Self::from_weights(&Weights::embedded("shipped decoder", bytes)?, precision)
    }

    /// A model of this decoder for one stream of features of that geometry.
    ///
    /// # Errors
    /// When it reads features of another geometry.
    pub fn model(&self, geometry: &Geometry) -> Result<Box<dyn Model>> {
        Arc::clone(&self.0).model(geometry)
    }
}

impl<T: Trained + 'static> From<T> for Decoder {
    fn from(trained: T) -> Self {
        Self(Arc::new(trained))
    }
}

impl Deref for Decoder {
    type Target = dyn Trained;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decoder").field(&self.scorer()).finish()
    }
}
