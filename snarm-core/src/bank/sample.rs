//! The descriptors of a stream, as many as memory allows: an even random sample of them.

use rand_chacha::ChaCha8Rng;

use super::coreset::thin;
use super::reservoir::{Place, Reservoir};
use super::{BankSettings, Memory};
use crate::error::Result;

/// The most descriptors kept before thinning; a longer stream is sampled evenly.
const MAX_DESCRIPTORS: usize = 1_000_000;

/// Descriptors, and the image of each.
pub(super) struct Sample {
    width: usize,
    features: Vec<f32>,
    images: Vec<u32>,
    reservoir: Reservoir,
}

impl Sample {
    /// An empty one, for descriptors of that width.
    pub(super) fn new(width: usize, rng: ChaCha8Rng) -> Self {
        let reservoir = Reservoir::new(MAX_DESCRIPTORS, rng);
        Self { width, features: Vec::new(), images: Vec::new(), reservoir }
    }

    /// Offers one descriptor.
    pub(super) fn add(&mut self, row: &[f32], image: u32) {
        match self.reservoir.place() {
            Place::Append => {
                self.features.extend_from_slice(row);
                self.images.push(image);
            }
            Place::Replace(at) => {
                self.features[at * row.len()..][..row.len()].copy_from_slice(row);
                self.images[at] = image;
            }
            Place::Skip => {}
        }
    }

    /// Offers the descriptors of an image, but for the tokens that `ignored` names (empty: none).
    pub(super) fn add_image(&mut self, descriptors: &[f32], image: u32, ignored: &[bool]) {
        for (token, row) in descriptors.chunks_exact(self.width).enumerate() {
            if !ignored.get(token).copied().unwrap_or(false) {
                self.add(row, image);
            }
        }
    }

    /// Takes back the images from `first` on.
    pub(super) fn discard_from(&mut self, first: u32) {
        let mut kept = 0;
        for row in 0..self.images.len() {
            if self.images[row] < first {
                self.images[kept] = self.images[row];
                self.features.copy_within(row * self.width..(row + 1) * self.width, kept * self.width);
                kept += 1;
            }
        }
        self.reservoir.forget(self.images.len() - kept);
        self.images.truncate(kept);
        self.features.truncate(kept * self.width);
    }

    /// Descriptors kept.
    pub(super) fn len(&self) -> usize {
        self.images.len()
    }

    /// What of them a bank keeps.
    pub(super) fn thinned(
        &self,
        settings: &BankSettings,
        rng: ChaCha8Rng,
        progress: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Memory> {
        let picks = thin(&self.features, self.width, settings.capacity, settings.reduction, rng, progress)?;
        let row = |pick: &u32| &self.features[*pick as usize * self.width..][..self.width];
        let features = picks.iter().flat_map(row).copied().collect();
        Memory::new(features, picks.iter().map(|pick| self.images[*pick as usize]).collect())
    }
}
