//! What a run leaves: a decoder, with a threshold of its own.

use std::path::Path;
use std::sync::Arc;

use super::Trainer;
use crate::bank::Calibration;
use crate::detect::postprocess::RawMap;
use crate::encoder::Features;
use crate::error::{Error, Result};
use crate::models::Trained;
use crate::models::snarm::decoder::{About, Provenance, SnarmDecoder, save};
use crate::training::decoder::Without;
use crate::training::decoder::samples::Shows;

/// What a trained run says of itself beside its weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Name of the data set, and in which setting it was used.
    pub data: String,
    /// Terms under which the weights may be used.
    pub licence: String,
}

impl Trainer {
    /// Writes the decoder, calibrated by the held-out good images.
    ///
    /// # Errors
    /// When a part was left out, which no decoder file can say, or the file cannot be written.
    pub fn write(&mut self, path: &Path, claims: &Claims) -> Result<()> {
        let without = self.settings.without;
        if without.navigator || without.mamba || without.top_k != Without::NOTHING.top_k {
            let expected = "a decoder with all its parts".to_owned();
            return Err(Error::Mismatch { what: "decoder", expected, found: format!("{without:?}") });
        }
        // A decoder that learned without intra-residuals must not hear of them.
        let (width, no_intra) = (self.shape.width, without.intra);
        let fetch = |name: &str, _: &[usize]| -> Result<Vec<f32>> {
            let mut values = self.variables.values(name).or_else(|_| self.buffers.values(name))?;
            if no_intra && name.starts_with("conv_list.") && name.ends_with("weight") {
                values.chunks_exact_mut(2 * width).for_each(|row| row[width..].fill(0.0));
            }
            Ok(values)
        };
        let decoder = SnarmDecoder::new(&self.shape, &fetch)?;
        let counters: Vec<i64> = (0..self.shape.views())
            .map(|view| self.optimiser.steps_of(&format!("head_list.{view}.1.bias")) as i64)
            .collect();
        let categories = self.samples.categories.iter().map(|category| category.name.clone()).collect();
        let about = About {
            encoder: self.encoder.name().to_owned(),
            encoder_digest: self.encoder.digest().to_owned(),
            side: self.encoder.input_side(),
            grid: self.encoder.grid_side(),
            shape: self.shape,
            relative: self.settings.relative,
            provenance: Provenance {
                categories,
                steps: self.step,
                seed: self.settings.seed,
                data: claims.data.clone(),
            },
            licence: claims.licence.clone(),
            calibration: None,
        };
        let fetched: Vec<(String, Vec<f32>)> = self
            .variables
            .iter()
            .chain(self.buffers.iter())
            .map(|(name, _)| Ok((name.to_owned(), fetch(name, &[])?)))
            .collect::<Result<_>>()?;
        let decoder = Arc::new(decoder.with_about(about.clone()));
        let about = About { calibration: self.calibrate(&decoder)?, ..about };
        let fetch = |name: &str, _: &[usize]| -> Result<Vec<f32>> {
            let found = fetched.iter().find(|(known, _)| known == name);
            found.map(|(_, values)| values.clone()).ok_or_else(|| Error::Values {
                what: "decoder",
                expected: format!("a tensor {name}"),
                found: "none".to_owned(),
            })
        };
        save(path, &about, &fetch, Some(&counters))
    }

    /// Scores of the held-out good images of all categories, by the kernels that score frames.
    fn calibrate(&mut self, decoder: &Arc<SnarmDecoder>) -> Result<Option<Calibration>> {
        let geometry = self.encoder.geometry();
        let mut model = Trained::model(Arc::clone(decoder), geometry)?;
        let mut raw = RawMap::new(geometry.size, model.map_size(), model.image_score());
        let (mut images, mut peaks) = (Vec::new(), Vec::new());
        for category in 0..self.samples.categories.len() {
            for id in self.held_out(category).into_iter().filter(|id| id.shows == Shows::Good) {
                let sample = self.samples.get(id)?;
                let descriptors: Vec<f32> = sample.descriptors.iter().map(|v| v.to_f32()).collect();
                let piece = self.samples.categories[category].pieces[id.image];
                let (bank, pieces, piece) = self.samples.bank_of(category, Some(piece));
                let memory = bank.memory().map(|memory| memory.with_images(pieces.to_vec()));
                let features = Features::new(geometry, &descriptors)?;
                let (score, peak) = snarm_kernels::threads::install(|| -> Result<(f64, f64)> {
                    let map = model.score(&features, memory.as_ref(), piece, &[], &mut Default::default())?;
                    raw.of_whole(map, sample.visible)
                })??;
                images.push(score);
                peaks.push(peak);
            }
        }
        if images.is_empty() {
            return Ok(None);
        }
        Calibration::new(decoder.scorer(), true, &images, &peaks).map(Some)
    }
}
