//! Looks at images that are not learned from.

use std::sync::Arc;

use super::{Trainer, net};
use crate::bank::Bank;
use crate::dataset::{Mask, Picture};
use crate::error::Result;
use crate::metrics;
use crate::training::decoder::samples::{Id, Shows};
use crate::training::random::key;

/// Pixels of held-out maps that are passed over between two that are looked at.
const STRIDE: usize = 2;

impl Trainer {
    /// Held-out images: each as it is, and with a defect that is never learned from.
    pub(super) fn held_out(&self, category: usize) -> Vec<Id> {
        let of = &self.samples.categories[category];
        let images = (0..of.good.len()).filter(|image| of.is_held_out(*image, &self.settings));
        let mut pieces = Vec::new();
        let mut ids = Vec::new();
        for image in images {
            // Of the views of one piece, the first.
            if !pieces.contains(&of.pieces[image]) {
                pieces.push(of.pieces[image]);
                for shows in [Shows::Good, Shows::Synthetic(self.settings.variants)] {
                    ids.push(Id { category, image, shows });
                }
            }
        }
        ids
    }

    /// Mean over categories of the pixel AP on held-out images.
    pub(super) fn look(&mut self) -> Result<f64> {
        let (mut sum, mut count) = (0.0, 0);
        let side = self.encoder.input_side();
        for category in 0..self.samples.categories.len() {
            let mut pixels = metrics::Samples::new();
            for id in self.held_out(category) {
                let sample = self.samples.get(id)?;
                let net = net(self.shape, &self.variables, &self.buffers, self.settings.without);
                let key = key(self.settings.seed, &[id.category as u64, id.image as u64]);
                let (map, ..) = self.validation.run(&net, &sample, &mut self.assembler, key)?;
                let on = |i: usize| (i / side).is_multiple_of(STRIDE) && (i % side).is_multiple_of(STRIDE);
                let looked = (0..side * side).filter(|i| on(*i));
                pixels.extend(looked.map(|i| (map[i], sample.mask[i] != 0)));
            }
            if pixels.positives() > 0 {
                sum += metrics::average_precision(&pixels.rank()?).unwrap_or_default();
                count += 1;
            }
        }
        // Without anything to look at the last step is the best one.
        Ok(if count > 0 { sum / f64::from(count) } else { self.step as f64 })
    }

    /// Scores an image against a bank, as the decoder would in use: smoothed probabilities (side, side) and the image score.
    ///
    /// # Errors
    /// When the image is none, or the bank belongs to another encoder.
    pub fn score(&mut self, bank: &Bank, picture: &Picture) -> Result<(Vec<f32>, f64)> {
        bank.check_encoder(&self.encoder)?;
        let mask = Mask::empty(picture.width, picture.height);
        let sample = Arc::new(self.samples.sample_of(bank, None, picture, &mask)?);
        let net = net(self.shape, &self.variables, &self.buffers, self.settings.without);
        snarm_kernels::threads::install(|| {
            let (map, score, _) = self.validation.run(&net, &sample, &mut self.assembler, 0)?;
            Ok((map.to_vec(), score))
        })?
    }
}
