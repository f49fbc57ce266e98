//! A run: steps, looks at held-out images, checkpoints, and the decoder in the end.

mod export;
mod step;
#[cfg(test)]
mod tests;
mod validate;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use snarm_kernels::Precision;

pub use self::export::Claims;
use super::assemble::Assembler;
use super::data::{Banks, Category};
use super::forward::Validation;
use super::samples::{DiskCache, Samples};
use super::{Net, Parts, Settings, Without, variables};
use crate::bank::Bank;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::files::Weights;
use crate::layers::Source;
use crate::models::snarm::decoder::{Shape, SnarmDecoder};
use crate::synthetic::{self, Synthesizer};
use crate::training::{
    AdamW, AdamWSettings, Checkpoint, Device, Files, Identity, Log, Meter, Progress, Schedule, Variables,
    digest,
};

/// What a run must not change when it goes on.
#[derive(Serialize)]
struct Run<'a> {
    settings: &'a Settings,
    one_bank: bool,
    defects: &'a synthetic::Settings,
    encoder: &'a str,
    /// Sides of input and grid, and the width of a descriptor.
    geometry: [usize; 3],
    /// Digest of their names and files.
    categories: String,
}

/// Columns of the log.
pub const COLUMNS: [&str; 7] = ["step", "loss", "views", "navigator", "rate", "norm", "pixel_ap"];

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

/// Trains a decoder.
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
    validation: Validation,
    config: Identity,
    step: u64,
    /// Whether the first weights are those of another decoder.
    started: bool,
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
        let geometry = encoder.geometry().clone();
        let shape =
            Shape { width: geometry.width(), channels: settings.channels, branches: settings.branches };
        let all: usize = categories.iter().map(|category| category.good.len()).sum();
        let described: Vec<String> = categories.iter().map(Category::describe).collect();
        // How many samples are kept changes no digit.
        let course = Settings { memory: Settings::default().memory, ..settings.clone() };
        let identity = Identity::new(&Run {
            settings: &course,
            one_bank,
            defects: synthesizer.settings(),
            encoder: encoder.digest(),
            geometry: [encoder.input_side(), encoder.grid_side(), geometry.width()],
            categories: digest(&format!("{described:?}")),
        })?;
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
            assembler: Assembler::new(
                encoder.grid_side(),
                encoder.input_side(),
                geometry.width(),
                settings.without,
            ),
            validation: Validation::new(encoder.grid_side(), encoder.input_side(), settings.branches)?,
            config: identity,
            settings,
            encoder,
            shape,
            variables,
            buffers,
            best,
            optimiser: AdamW::new(adamw),
            samples,
            step: 0,
            started: false,
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

    /// Begins with the weights of a decoder in place of fresh ones. The run looks at held-out images before its first step,
    /// so what it writes is no worse there than that decoder. It may have learned with another encoder, whose descriptors
    /// are as wide.
    ///
    /// # Errors
    /// When the file is no decoder of these sizes.
    pub fn start(&mut self, file: &Weights) -> Result<()> {
        let decoder = SnarmDecoder::from_weights(file, Precision::F32)?;
        let (expected, found) =
            ((self.shape, self.settings.relative), (*decoder.shape(), decoder.is_relative()));
        if expected != found {
            let says = |(shape, relative): (Shape, bool)| {
                format!("{shape:?}, residuals {}", if relative { "relative" } else { "as they are" })
            };
            let (expected, found) = (says(expected), says(found));
            return Err(Error::Mismatch { what: "decoder to start with", expected, found });
        }
        let source = Source::new("decoder", file);
        for all in [&self.variables, &self.buffers] {
            for (name, var) in all.iter() {
                all.set(name, &source.get(name, var.dims())?)?;
            }
        }
        self.config = self.config.clone().and("start", decoder.scorer())?;
        self.started = true;
        Ok(())
    }

    /// Goes on from a checkpoint of the same run.
    ///
    /// # Errors
    /// When there is none, or it is that of another run.
    pub fn resume(&mut self, files: &Files) -> Result<()> {
        let (path, buffers) = (files.checkpoint(), self.kept());
        let read = Checkpoint::restore(&path, &self.config, &self.variables, &buffers, &mut self.optimiser)?;
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

    /// Trains to the end, or until held-out images score no better for long. Writes log and checkpoint on the way,
    /// and leaves the best weights in place.
    ///
    /// # Errors
    /// When an image cannot be read, a file cannot be written, or the training diverges.
    pub fn run(&mut self, files: &Files, watch: &mut dyn FnMut(Event)) -> Result<()> {
        let settings = &self.settings;
        let schedule = Schedule {
            base: settings.rate,
            last: settings.last_rate,
            warm_up: settings.warm_up.min(settings.steps),
            steps: settings.steps,
        };
        let (mut log, checkpoint) = (Log::open(&files.log(), &COLUMNS, self.step)?, files.checkpoint());
        let mut meter = Meter::new(settings.steps);
        if self.started && self.step == 0 {
            let score = snarm_kernels::threads::install(|| self.look())??;
            self.note(score, true)?;
            watch(Event::Look(0, score, true));
        }
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
                self.save(&checkpoint)?;
            }
            watch(Event::Step(meter.step(step, views + navigator)));
        }
        self.save(&checkpoint)?;
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
}

fn net<'a>(shape: Shape, variables: &'a Variables, buffers: &'a Variables, without: Without) -> Net<'a> {
    Net { shape, variables, buffers, parts: Parts { mamba: !without.mamba } }
}
