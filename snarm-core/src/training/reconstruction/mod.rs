//! Training of the decoders that reconstruct ([`crate::models::reconstruction`]): from good images alone, to give back what a
//! frozen encoder sees of them. The loss is 5 times the sum over the levels of the mean squared difference; AdamW without
//! decay of vectors, gradients clipped to a norm of 5, the rate a tenth for the last fifth of the steps, as published.

mod init;
mod lessons;
mod net;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use candle_core::Tensor;
use rand::seq::SliceRandom;
use serde::Serialize;
use snarm_kernels::preprocess::PixelRect;

pub use self::init::variables;
use self::lessons::Lessons;
pub use self::net::{Mode, Net, Observe, Seen};
use super::decoder::{Category, Claims};
use super::optim::check_rate;
use super::random::{generator, key};
use super::{AdamW, AdamWSettings, Checkpoint, Files, Identity, Log, Meter, Progress, Variables, digest};
use crate::bank::Calibration;
use crate::detect::postprocess::RawMap;
use crate::encoder::{Encoder, Features};
use crate::error::{Error, Result};
use crate::models::reconstruction::{About, Kind, Reconstruction, Shape, save};
use crate::models::{Decoder, Provenance};

/// What the sum of the differences is multiplied by.
const WEIGHT: f64 = 5.0;

/// Share of the steps after which the rate falls, and what it falls to.
const FALL: (f64, f64) = (0.8, 0.1);

/// What a new value counts in the statistics of batch norms.
const MOMENTUM: f32 = 0.1;

/// Purposes of random numbers.
const ORDER: u64 = 1;
const FORWARD: u64 = 2;

/// Columns of the log.
pub const COLUMNS: [&str; 5] = ["step", "loss", "held_out", "rate", "norm"];

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Optimiser steps.
    pub steps: u64,
    /// Images of a step.
    pub batch: usize,
    /// Learning rate, a tenth of it for the last fifth of the steps.
    pub rate: f64,
    /// Weight decay; none of biases and norms.
    pub decay: f64,
    /// Largest norm of all gradients together.
    pub clip: f64,
    /// Steps between two checkpoints and looks at held-out images.
    pub save: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Bytes of features that are kept instead of being computed anew.
    pub memory: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 4000,
            batch: 16,
            rate: 5e-3,
            decay: 1e-4,
            clip: 5.0,
            save: 200,
            seed: 1,
            memory: 1 << 30,
        }
    }
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// With the first setting that lies outside what it may be.
    pub fn check(&self) -> Result<()> {
        let wrong = |name, expected: &str, found: String| {
            Err(Error::Setting { name, expected: expected.to_owned(), found })
        };
        let counts =
            [("steps", self.steps), ("batch", self.batch as u64), ("steps between checkpoints", self.save)];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return wrong(name, "at least 1", "0".to_owned());
        }
        check_rate("learning rate", self.rate)?;
        if !(self.decay.is_finite() && self.decay >= 0.0) {
            return wrong("weight decay", "a number from 0", self.decay.to_string());
        }
        Ok(())
    }
}

/// What a run must not change when it goes on.
#[derive(Serialize)]
struct Run<'a> {
    family: &'a str,
    shape: &'a Shape,
    settings: &'a Settings,
    encoder: &'a str,
    /// Digest of their names and files.
    categories: String,
}

/// Trains a decoder.
pub struct Trainer {
    kind: &'static Kind,
    shape: Shape,
    settings: Settings,
    encoder: Arc<Encoder>,
    variables: Variables,
    buffers: Variables,
    optimiser: AdamW,
    lessons: Lessons,
    identity: Identity,
    step: u64,
}

impl Trainer {
    /// Prepares a run on the good images of these categories.
    ///
    /// # Errors
    /// When the encoder does not give the levels of `shape`, there are fewer images than a step takes, or a setting lies
    /// outside its range.
    pub fn new(
        kind: &'static Kind,
        shape: Shape,
        settings: Settings,
        encoder: Arc<Encoder>,
        categories: Vec<Category>,
    ) -> Result<Self> {
        settings.check()?;
        let widths: Vec<usize> = encoder.geometry().levels().iter().map(|level| level.width).collect();
        if widths != shape.levels {
            let expected = format!(
                "an encoder with three levels {:?} wide (a ResNet, or an EfficientNet-Lite with @levels)",
                shape.levels
            );
            let found = format!("{widths:?} ({})", encoder.name());
            return Err(Error::Mismatch { what: kind.family, expected, found });
        }
        let described: Vec<String> = categories.iter().map(Category::describe).collect();
        let lessons = Lessons::new(categories, &encoder, settings.memory)?;
        let images = lessons.learned().len();
        if images < settings.batch {
            let expected = format!("at most the {images} images to learn from");
            return Err(Error::Setting { name: "batch", expected, found: settings.batch.to_string() });
        }
        // What is kept in memory changes no digit.
        let course = Settings { memory: 0, save: 1, ..settings.clone() };
        let identity = Identity::new(&Run {
            family: kind.family,
            shape: &shape,
            settings: &course,
            encoder: encoder.digest(),
            categories: digest(&format!("{described:?}")),
        })?;
        let (variables, buffers) = init::variables(kind, &shape, settings.seed)?;
        let adamw = AdamWSettings {
            decay: settings.decay,
            decay_vectors: false,
            clip: settings.clip,
            ..AdamWSettings::default()
        };
        let optimiser = AdamW::new(adamw);
        Ok(Self { kind, shape, settings, encoder, variables, buffers, optimiser, lessons, identity, step: 0 })
    }

    /// Goes on from a checkpoint of the same run.
    ///
    /// # Errors
    /// When there is none, or it is that of another run.
    pub fn resume(&mut self, files: &Files) -> Result<()> {
        let (path, identity) = (files.checkpoint(), &self.identity);
        let kept = Checkpoint::restore(&path, identity, &self.variables, &self.buffers, &mut self.optimiser)?;
        self.step = kept.step;
        Ok(())
    }

    /// The step that comes next.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Trains to the step `until`, or to the end; writes log and checkpoint on the way.
    ///
    /// # Errors
    /// When an image cannot be read, a file cannot be written, or the training diverges.
    pub fn run(&mut self, files: &Files, until: u64, watch: &mut dyn FnMut(&Progress)) -> Result<()> {
        let steps = self.settings.steps;
        let mut log = Log::open(&files.log(), &COLUMNS, self.step)?;
        let mut meter = Meter::new(steps);
        while self.step < steps.min(until) {
            let step = self.step;
            let rate = self.settings.rate * if step as f64 >= FALL.0 * steps as f64 { FALL.1 } else { 1.0 };
            let (loss, norm) = self.one_step(step, rate)?;
            self.step = step + 1;
            let is_kept = self.step.is_multiple_of(self.settings.save) || self.step == steps;
            let held_out = if is_kept { self.held_out()? } else { f64::NAN };
            log.row(step, &[loss, held_out, rate, norm])?;
            if is_kept {
                self.save(&files.checkpoint())?;
            }
            watch(&meter.step(step, loss));
        }
        self.save(&files.checkpoint())
    }

    /// Loss and norm of the gradients of a step.
    fn one_step(&mut self, step: u64, rate: f64) -> Result<(f64, f64)> {
        let (batch, seed) = (self.settings.batch, self.settings.seed);
        let mut order = self.lessons.learned().to_vec();
        let steps = (order.len() / batch) as u64;
        order.shuffle(&mut generator(seed, &[ORDER, step / steps]));
        let shown = &order[(step % steps) as usize * batch..][..batch];
        let (loss, seen) = self.loss(shown, Mode::Train(key(seed, &[FORWARD, step])))?;
        let grads = loss.backward()?;
        let norm = self.optimiser.step(&self.variables, &grads, rate)?;
        for Seen { norm, mean, var, rows } in seen {
            // PyTorch keeps the unbiased variance.
            let unbiased = rows as f32 / (rows as f32 - 1.0).max(1.0);
            self.gather(&format!("{norm}.running_mean"), &mean, 1.0)?;
            self.gather(&format!("{norm}.running_var"), &var, unbiased)?;
        }
        Ok((f64::from(loss.to_scalar::<f32>()?), norm))
    }

    fn gather(&self, name: &str, seen: &[f32], scale: f32) -> Result<()> {
        let mut kept = self.buffers.values(name)?;
        kept.iter_mut().zip(seen).for_each(|(kept, seen)| *kept += MOMENTUM * (scale * seen - *kept));
        self.buffers.set(name, &kept)
    }

    /// 5 times the sum over the levels of the mean squared difference.
    fn loss(&mut self, shown: &[usize], mode: Mode) -> Result<(Tensor, Vec<Seen>)> {
        let levels = self.lessons.levels(shown)?;
        let side = self.encoder.geometry().grid().rows;
        let net =
            Net { kind: self.kind, shape: &self.shape, variables: &self.variables, buffers: &self.buffers };
        let (found, seen) = net.run(&levels, side, mode, &mut |_, _| Ok(()))?;
        let mut sum: Option<Tensor> = None;
        for (found, level) in found.iter().zip(&levels) {
            let loss = (found - level)?.sqr()?.mean_all()?;
            sum = Some(match sum {
                Some(sum) => (sum + loss)?,
                None => loss,
            });
        }
        let sum = sum.map_or_else(|| levels[0].sum_all(), Ok)?;
        Ok(((sum * WEIGHT)?, seen))
    }

    /// Mean loss of the held-out images; not a number where there are none.
    fn held_out(&mut self) -> Result<f64> {
        let images = self.lessons.held_out().to_vec();
        let mut sum = 0.0;
        for image in &images {
            sum += f64::from(self.loss(&[*image], Mode::Evaluate)?.0.to_scalar::<f32>()?);
        }
        Ok(if images.is_empty() { f64::NAN } else { sum / images.len() as f64 })
    }

    fn save(&self, path: &Path) -> Result<()> {
        let notes = serde_json::Value::Null;
        let kept = Checkpoint { step: self.step, config: self.identity.clone(), notes };
        kept.save(path, &self.variables, &self.buffers, &self.optimiser)
    }

    /// Writes the decoder, with the scores of the held-out images as its calibration.
    ///
    /// # Errors
    /// When an image cannot be read, or the file cannot be written.
    pub fn write(&mut self, path: &Path, claims: &Claims) -> Result<()> {
        let about = About {
            encoder: self.encoder.name().to_owned(),
            encoder_digest: self.encoder.digest().to_owned(),
            shape: self.shape.clone(),
            provenance: Provenance {
                categories: self.lessons.names(),
                steps: self.step,
                seed: self.settings.seed,
                data: claims.data.clone(),
            },
            licence: claims.licence.clone(),
            calibration: None,
        };
        let (variables, buffers) = (self.variables.clone(), self.buffers.clone());
        let fetch = |name: &str, _: &[usize]| -> Result<Vec<f32>> {
            if name.contains(".running_") { buffers.values(name) } else { variables.values(name) }
        };
        let made = Reconstruction::new(self.kind, &self.shape, &fetch)?.with_about(about.clone());
        let about = About { calibration: self.calibrate(&Decoder::from(made))?, ..about };
        save(path, self.kind, &about, &fetch, Vec::new())
    }

    /// Scores of the held-out images, by the kernels that score frames.
    fn calibrate(&mut self, decoder: &Decoder) -> Result<Option<Calibration>> {
        let geometry = self.encoder.geometry().clone();
        let mut model = decoder.model(&geometry)?;
        let mut raw = RawMap::new(geometry.size, model.map_size(), model.image_score());
        let whole = PixelRect { x: 0, y: 0, width: geometry.size.columns, height: geometry.size.rows };
        let (mut images, mut peaks) = (Vec::new(), Vec::new());
        for image in self.lessons.held_out().to_vec() {
            let values = self.lessons.values(image)?;
            let features = Features::new(&geometry, &values)?;
            let (score, peak) = snarm_kernels::threads::install(|| -> Result<(f64, f64)> {
                let map = model.score(&features, None, None, &[], &mut Default::default())?;
                raw.of_whole(map, whole)
            })??;
            images.push(score);
            peaks.push(peak);
        }
        if images.is_empty() {
            return Ok(None);
        }
        Calibration::new(decoder.scorer(), true, &images, &peaks).map(Some)
    }
}
