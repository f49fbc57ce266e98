//! A run: steps, looks at held-out images, checkpoints, and the decoder in the end.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::assemble::{Assembler, Entry, TURNS};
use super::data::{Banks, Category};
use super::judge::Judge;
use super::samples::{DiskCache, Id, Samples, Shows};
use super::{Mode, Net, Parts, Settings, Without, variables};
use crate::bank::{Bank, Calibration};
use crate::dataset::{Mask, Picture};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::metrics;
use crate::models::Model;
use crate::models::snarm::head::{About, Head, Provenance, Shape, save};
use crate::postprocess::RawMap;
use crate::synthetic::Synthesizer;
use crate::training::random::{key, uniform};
use crate::training::{
    AdamW, AdamWSettings, Checkpoint, Device, Log, Meter, Progress, Schedule, Variables, digest,
};

/// Columns of the log.
pub const COLUMNS: [&str; 7] = ["step", "loss", "views", "navigator", "rate", "norm", "pixel_ap"];

/// What the random numbers of a step are for.
const DRAW: u64 = 2;
const DROP: u64 = 3;

/// Pixels of held-out maps that are passed over between two that are looked at.
const STRIDE: usize = 2;

/// Beginning of the names under which a checkpoint keeps the best weights so far.
const BEST: &str = "best.";

/// What a run tells its watcher.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// Images learned by the banks, and images in all.
    Learned(usize, usize),
    /// A step is done.
    Step(Progress),
    /// A look at the held-out images: the step, the pixel AP, and whether it is the best so far.
    Look(u64, f64, bool),
}

/// What a trained run says of itself beside its weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Name of the data set, and in which setting it was used.
    pub data: String,
    /// Terms under which the weights may be used.
    pub licence: String,
}

/// Trains a head.
pub struct Trainer {
    settings: Settings,
    encoder: Arc<Encoder>,
    shape: Shape,
    variables: Variables,
    buffers: Variables,
    /// The best weights and statistics so far.
    best: Variables,
    optimiser: AdamW,
    samples: Samples,
    assembler: Assembler,
    judge: Judge,
    config: String,
    step: u64,
    /// Best pixel AP so far, and looks since.
    best_score: Option<f64>,
    since: u64,
}

impl Trainer {
    /// Prepares a run on these categories, each with a bank of its own or all with one: makes the banks and fresh weights.
    ///
    /// # Errors
    /// When a setting lies outside its range, or an image cannot be read.
    pub fn new(
        settings: Settings,
        encoder: Arc<Encoder>,
        categories: Vec<Category>,
        one_bank: bool,
        synthesizer: Synthesizer,
        watch: &mut dyn FnMut(Event),
    ) -> Result<Self> {
        settings.check()?;
        let config = encoder.config().clone();
        let shape = Shape { width: config.width, channels: settings.channels, branches: settings.branches };
        let all: usize = categories.iter().map(|category| category.good.len()).sum();
        let described: Vec<String> = categories.iter().map(Category::describe).collect();
        // How many samples are kept changes no digit.
        let course = Settings { memory: Settings::default().memory, ..settings.clone() };
        let identity = format!(
            "{course:?} {one_bank} {:?} {} {config:?} {described:?}",
            synthesizer.settings(),
            encoder.digest()
        );
        let mut learned = 0;
        let banks = Banks::new(&categories, one_bank, &encoder, &settings, &mut || {
            learned += 1;
            watch(Event::Learned(learned, all));
        })?;
        let (variables, buffers) = variables(&shape, settings.seed)?;
        let mut best = Variables::default();
        for (name, var) in variables.iter().chain(buffers.iter()) {
            best.insert(&format!("{BEST}{name}"), var.flatten_all()?.to_vec1()?, var.dims())?;
        }
        let adamw = AdamWSettings { decay: settings.decay, clip: settings.clip, ..AdamWSettings::default() };
        let samples = Samples::new(categories, banks, Arc::clone(&encoder), synthesizer, &settings)?;
        Ok(Self {
            assembler: Assembler::new(config.grid, config.side, config.width, settings.without),
            judge: Judge::new(config.grid, config.side, settings.branches),
            config: digest(&identity),
            settings,
            encoder,
            shape,
            variables,
            buffers,
            best,
            optimiser: AdamW::new(adamw),
            samples,
            step: 0,
            best_score: None,
            since: 0,
        })
    }

    /// Brings the network to a device. Samples are made by the kernels on the CPU all the same, the optimiser keeps its
    /// moments there, and a checkpoint does not say where it was written: a run may go on elsewhere.
    ///
    /// # Errors
    /// When it does not fit into the memory of the device.
    pub fn on(mut self, device: &Device) -> Result<Self> {
        self.variables = self.variables.to_device(device)?;
        self.buffers = self.buffers.to_device(device)?;
        Ok(self)
    }

    /// Goes on from a checkpoint of the same run.
    ///
    /// # Errors
    /// When there is none, or it is that of another run.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        let buffers = self.kept();
        let read = Checkpoint::restore(path, &self.config, &self.variables, &buffers, &mut self.optimiser)?;
        self.step = read.step;
        self.best_score = read.notes["best"].as_f64();
        self.since = read.notes["since"].as_u64().unwrap_or_default();
        Ok(())
    }

    /// Lets descriptors that do not fit into the memory of the settings be kept on a disk, instead of being computed anew.
    /// The course is the same to the last bit. When the disk fails a warning says why, and the run goes on without it.
    pub fn keep_on(&mut self, disk: DiskCache) {
        self.samples.keep_on(disk);
    }

    /// The step that comes next.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Trains to the end, or until held-out images are judged no better for long. Writes `log` and `checkpoint` on the way,
    /// and leaves the best weights in place.
    ///
    /// # Errors
    /// When an image cannot be read, a file cannot be written, or the training diverges.
    pub fn run(&mut self, log: &Path, checkpoint: &Path, watch: &mut dyn FnMut(Event)) -> Result<()> {
        let settings = &self.settings;
        let schedule = Schedule {
            base: settings.rate,
            last: settings.last_rate,
            warm_up: settings.warm_up.min(settings.steps),
            steps: settings.steps,
        };
        let mut log = Log::open(log, &COLUMNS, self.step)?;
        let mut meter = Meter::new(settings.steps);
        while self.step < self.settings.steps && self.since < self.settings.patience {
            let step = self.step;
            let rate = schedule.rate(step);
            let (views, navigator, norm) = snarm_kernels::threads::install(|| self.one_step(step, rate))??;
            let done = step + 1;
            let mut score = f64::NAN;
            if done.is_multiple_of(self.settings.look) || done == self.settings.steps {
                score = snarm_kernels::threads::install(|| self.look())??;
                let better = self.best_score.is_none_or(|best| score > best);
                self.note(score, better)?;
                watch(Event::Look(done, score, better));
            }
            log.row(step, &[views + navigator, views, navigator, rate, norm, score])?;
            self.step = done;
            if done.is_multiple_of(self.settings.save) {
                self.save(checkpoint)?;
            }
            watch(Event::Step(meter.step(step, views + navigator)));
        }
        self.save(checkpoint)?;
        let counts = self.samples.counts();
        let (made, from_memory, from_disk) = (counts.made, counts.from_memory, counts.from_disk);
        tracing::info!(made, from_memory, from_disk, "descriptors of samples");
        for all in [&self.variables, &self.buffers] {
            for (name, _) in all.iter() {
                all.set(name, &self.best.values(&format!("{BEST}{name}"))?)?;
            }
        }
        Ok(())
    }

    /// Losses of views and navigator, and the norm of the gradients.
    fn one_step(&mut self, step: u64, rate: f64) -> Result<(f64, f64, f64)> {
        let mut drawn = Vec::new();
        for slot in 0..self.settings.batch as u64 {
            let key = key(self.settings.seed, &[DRAW, step, slot]);
            let id = self.draw(key);
            let entry =
                Entry { turn: (uniform(key, 100) * TURNS as f32) as u64, jitter: self.settings.jitter, key };
            drawn.push((self.samples.get(id)?, entry));
        }
        let batch = self.assembler.batch(&drawn, &self.variables)?;
        let net = net(self.shape, &self.variables, &self.buffers, self.settings.without);
        let branches = self.settings.branches_of(step);
        let (mut total, mut outcomes) = (None, Vec::new());
        for branch in branches.clone() {
            let drop = key(self.settings.seed, &[DROP, step, branch as u64]);
            let outcome =
                net.run(branch, &batch, Mode::Train { key: drop, dropout: self.settings.dropout })?;
            let share = (&outcome.views / branches.len() as f64)?;
            total = Some(match total {
                // The navigator is the same in each.
                None => (share + &outcome.navigator)?,
                Some(sum) => (sum + share)?,
            });
            outcomes.push((branch, outcome));
        }
        let Some(total) = total else { return Ok((0.0, 0.0, 0.0)) };
        let grads = total.backward()?;
        let norm = self.optimiser.step(&self.variables, &grads, rate)?;
        let scalar = |t: &candle_core::Tensor| -> Result<f64> { Ok(f64::from(t.to_scalar::<f32>()?)) };
        let (mut views, mut navigator) = (0.0, 0.0);
        for (branch, outcome) in &outcomes {
            net.gather(*branch, &batch, outcome)?;
            views += scalar(&outcome.views)? / outcomes.len() as f64;
            navigator = scalar(&outcome.navigator)?;
        }
        Ok((views, navigator, norm))
    }

    /// The sample of a slot: categories are equally likely, whatever their sizes.
    fn draw(&self, key: u64) -> Id {
        let settings = &self.settings;
        let at = |i: u64, n: usize| ((uniform(key, i) * n as f32) as usize).min(n.saturating_sub(1));
        let category = at(0, self.samples.categories.len());
        let of = &self.samples.categories[category];
        let kind = f64::from(uniform(key, 1));
        if kind >= 1.0 - settings.real_share && !of.defective.is_empty() {
            return Id { category, image: at(2, of.defective.len()), shows: Shows::Real };
        }
        let learned: Vec<usize> = (0..of.good.len()).filter(|i| !of.is_held_out(*i, settings)).collect();
        let image = learned[at(2, learned.len())];
        let shows = match kind {
            kind if kind >= settings.normal_share => {
                Shows::Synthetic(at(3, settings.variants as usize) as u32)
            }
            kind if kind >= settings.normal_share / 2.0 => Shows::OtherLight,
            _ => Shows::Good,
        };
        Id { category, image, shows }
    }

    /// Held-out images: each as it is, and with a defect that is never learned from.
    fn held_out(&self, category: usize) -> Vec<Id> {
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
    fn look(&mut self) -> Result<f64> {
        let (mut sum, mut count) = (0.0, 0);
        let side = self.encoder.config().side;
        for category in 0..self.samples.categories.len() {
            let mut pixels = metrics::Samples::new();
            for id in self.held_out(category) {
                let sample = self.samples.get(id)?;
                let net = net(self.shape, &self.variables, &self.buffers, self.settings.without);
                let key = key(self.settings.seed, &[id.category as u64, id.image as u64]);
                let (map, ..) = self.judge.run(&net, &sample, &mut self.assembler, key)?;
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

    fn note(&mut self, score: f64, better: bool) -> Result<()> {
        self.since += 1;
        if better {
            self.best_score = Some(score);
            self.since = 0;
            for all in [&self.variables, &self.buffers] {
                for (name, _) in all.iter() {
                    self.best.set(&format!("{BEST}{name}"), &all.values(name)?)?;
                }
            }
        }
        Ok(())
    }

    /// Statistics and the best weights: what a checkpoint keeps beside the weights.
    fn kept(&self) -> Variables {
        let mut kept = self.buffers.clone();
        kept.extend(&self.best);
        kept
    }

    fn save(&self, path: &Path) -> Result<()> {
        let notes = json!({ "best": self.best_score, "since": self.since });
        let checkpoint = Checkpoint { step: self.step, config: self.config.clone(), notes };
        checkpoint.save(path, &self.variables, &self.kept(), &self.optimiser)
    }

    /// Pixel AP on held-out images of the best step.
    pub fn best_score(&self) -> Option<f64> {
        self.best_score
    }

    /// The bank of a category that is learned from.
    pub fn bank(&self, category: usize) -> Arc<Bank> {
        Arc::clone(self.samples.bank_of(category, None).0)
    }

    /// Judges an image against a bank, as the head would in use: smoothed probabilities (side, side) and the image score.
    ///
    /// # Errors
    /// When the image is none, or the bank belongs to another encoder.
    pub fn score(&mut self, bank: &Bank, picture: &Picture) -> Result<(Vec<f32>, f64)> {
        bank.check_encoder(&self.encoder)?;
        let mask = Mask::empty(picture.width, picture.height);
        let sample = Arc::new(self.samples.sample_of(bank, None, picture, &mask)?);
        let net = net(self.shape, &self.variables, &self.buffers, self.settings.without);
        snarm_kernels::threads::install(|| {
            let (map, score, _) = self.judge.run(&net, &sample, &mut self.assembler, 0)?;
            Ok((map.to_vec(), score))
        })?
    }

    /// Writes the decoder, calibrated by the held-out good images.
    ///
    /// # Errors
    /// When a part was left out, which no decoder file can say, or the file cannot be written.
    pub fn write(&mut self, path: &Path, claims: &Claims) -> Result<()> {
        let without = self.settings.without;
        if without.navigator || without.mamba || without.top_k != Without::NOTHING.top_k {
            let expected = "a head with all its parts".to_owned();
            return Err(Error::Mismatch { what: "decoder", expected, found: format!("{without:?}") });
        }
        // A head that learned without intra-residuals must not hear of them.
        let (width, no_intra) = (self.shape.width, without.intra);
        let fetch = |name: &str, _: &[usize]| -> Result<Vec<f32>> {
            let mut values = self.variables.values(name).or_else(|_| self.buffers.values(name))?;
            if no_intra && name.starts_with("conv_list.") && name.ends_with("weight") {
                values.chunks_exact_mut(2 * width).for_each(|row| row[width..].fill(0.0));
            }
            Ok(values)
        };
        let head = Head::new(&self.shape, &fetch)?;
        let counters: Vec<i64> = (0..self.shape.views())
            .map(|view| self.optimiser.steps_of(&format!("head_list.{view}.1.bias")) as i64)
            .collect();
        let categories = self.samples.categories.iter().map(|category| category.name.clone()).collect();
        let about = About {
            encoder: self.encoder.name().to_owned(),
            encoder_digest: self.encoder.digest().to_owned(),
            side: self.encoder.config().side,
            grid: self.encoder.config().grid,
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
        let head = Arc::new(head.with_about(about.clone()));
        let about = About { calibration: self.calibrate(&head)?, ..about };
        let fetch = |name: &str, _: &[usize]| -> Result<Vec<f32>> {
            let found = fetched.iter().find(|(known, _)| known == name);
            found.map(|(_, values)| values.clone()).ok_or_else(|| Error::Mismatch {
                what: "decoder",
                expected: format!("a tensor {name}"),
                found: "none".to_owned(),
            })
        };
        save(path, &about, &fetch, Some(&counters))
    }

    /// Scores of the held-out good images of all categories, by the kernels that score frames.
    fn calibrate(&mut self, head: &Arc<Head>) -> Result<Option<Calibration>> {
        let config = self.encoder.config();
        let mut model = Model::snarm(config, Some(Arc::clone(head)))?;
        let mut raw = RawMap::new(config.side, model.map_side());
        let (mut images, mut peaks) = (Vec::new(), Vec::new());
        for category in 0..self.samples.categories.len() {
            for id in self.held_out(category).into_iter().filter(|id| id.shows == Shows::Good) {
                let sample = self.samples.get(id)?;
                let descriptors: Vec<f32> = sample.descriptors.iter().map(|v| v.to_f32()).collect();
                let piece = self.samples.categories[category].pieces[id.image];
                let (bank, pieces, piece) = self.samples.bank_of(category, Some(piece));
                let memory = bank.memory().with_images(pieces.to_vec());
                let (score, peak) = snarm_kernels::threads::install(|| -> Result<(f64, f64)> {
                    let map = model.score(&descriptors, &memory, piece, &[], &mut Default::default())?;
                    raw.run(map, sample.visible, None)
                })??;
                images.push(score);
                peaks.push(peak);
            }
        }
        if images.is_empty() {
            return Ok(None);
        }
        Calibration::new(head.scorer(), true, &images, &peaks).map(Some)
    }
}

fn net<'a>(shape: Shape, variables: &'a Variables, buffers: &'a Variables, without: Without) -> Net<'a> {
    Net { shape, variables, buffers, parts: Parts { mamba: !without.mamba } }
}

/// The files beside a decoder: the log and the checkpoint of its run.
pub fn beside(decoder: &Path) -> (PathBuf, PathBuf) {
    (decoder.with_extension("csv"), decoder.with_extension("checkpoint"))
}
