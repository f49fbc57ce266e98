//! Making a bank: frames are encoded as they come and give their descriptors to a bounded random sample of the stream.
//! At the end the sample is thinned twice. A first bank, without the frames that are held out, scores those and so
//! finds the thresholds; then picking goes on among the held-out descriptors too, so that no good frame is wasted. The
//! final bank contains the first, so good frames score no higher against it than the thresholds assume.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::frame::Frame;
use snarm_kernels::import::Rect as Pixels;

use super::holdout::Holdout;
use super::novelty::Novelty;
use super::reservoir::{Place, Reservoir};
use super::{Bank, BankSettings, Calibration, Header, Memory, coreset, layers_of};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::extract::Extractor;
use crate::geometry::{Rect, View};
use crate::ignore::{IgnoreMask, Ignored};
use crate::models::Model;
use crate::models::snarm::head::Head;
use crate::postprocess::RawMap;

/// The most descriptors collected before thinning; a longer stream is sampled evenly.
const MAX_TOKENS: usize = 1_000_000;

/// The most frames kept for calibration; more are sampled evenly.
const MAX_CALIBRATION_FRAMES: usize = 64;

/// Frames that are in the bank and are kept besides those that are held out, for when the latter are taken back.
const SPARE: usize = 16;

/// Steps of [`BankBuilder::build`], for progress displays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStage {
    /// Picking the coreset.
    Reduce,
    /// Scoring good frames.
    Calibrate,
}

/// A frame kept for calibration.
struct Kept {
    /// Number of the frame.
    image: u32,
    /// Part of the network's square that showed it.
    visible: Pixels,
    /// What of it is ignored.
    ignored: Option<Arc<Ignored>>,
    /// Its descriptors, in half precision: enough to score it, at half the memory.
    descriptors: Vec<half::f16>,
}

/// Collects good frames and makes a bank of them. Memory is bounded however long the stream is.
pub struct BankBuilder {
    extractor: Extractor,
    settings: BankSettings,
    /// Trained heads to calibrate with, beside the residual score.
    heads: Vec<Arc<Head>>,
    /// Descriptors sampled so far, and the image of each.
    features: Vec<f32>,
    images: Vec<u32>,
    sample: Reservoir,
    /// Frames for calibration: the held-out ones, and as long as there are none, those that are in the bank.
    calibration: Vec<Kept>,
    calibration_sample: Reservoir,
    /// Frames for calibration as long as none was held out.
    spare: Vec<Kept>,
    holdout: Holdout,
    novelty: Novelty,
    /// Whether each frame is held out of the first bank.
    held_out: Vec<bool>,
    /// Frames in the bank that this one continues, and its calibrations.
    before: usize,
    earlier: Vec<Calibration>,
    frames: usize,
}

impl BankBuilder {
    /// Starts an empty collection.
    ///
    /// # Errors
    /// When a setting lies outside its range.
    pub fn new(encoder: Arc<Encoder>, settings: BankSettings) -> Result<Self> {
        if settings.capacity == 0 {
            let expected = "at least 1".to_owned();
            return Err(Error::Setting { name: "bank capacity", expected, found: "0".into() });
        }
        if !(0.0..=0.5).contains(&settings.calibration_fraction) {
            let found = settings.calibration_fraction.to_string();
            return Err(Error::Setting { name: "calibration fraction", expected: "0 to 0.5".into(), found });
        }
        Ok(Self {
            extractor: Extractor::new(encoder, settings.view.clone())?,
            heads: Vec::new(),
            features: Vec::new(),
            images: Vec::new(),
            sample: Reservoir::new(MAX_TOKENS, stream(settings.seed, 0)),
            calibration: Vec::new(),
            calibration_sample: Reservoir::new(MAX_CALIBRATION_FRAMES, stream(settings.seed, 1)),
            spare: Vec::new(),
            novelty: Novelty::new(settings.min_novelty),
            holdout: Holdout::new(settings.calibration_fraction),
            held_out: Vec::new(),
            before: 0,
            earlier: Vec::new(),
            frames: 0,
            settings,
        })
    }

    /// Starts from the descriptors of an existing bank. The view comes from the bank, and the scores of its good frames
    /// count in the thresholds beside those of new ones, so that a few new frames never make a bank stricter.
    ///
    /// # Errors
    /// When the bank was made with another encoder or of another part of the frames than `settings` ask for, or a
    /// setting lies outside its range.
    pub fn append(encoder: Arc<Encoder>, bank: &Bank, settings: BankSettings) -> Result<Self> {
        bank.check_encoder(&encoder)?;
        check_view(&bank.view(), &settings.view)?;
        let mut builder = Self::new(encoder, BankSettings { view: bank.view(), ..settings })?;
        builder.before = bank.frames();
        builder.earlier = bank.calibrations().cloned().collect();
        let width = bank.width();
        for (row, image) in bank.rows().data.chunks_exact(width).zip(bank.images()) {
            builder.collect(row, *image);
        }
        Ok(builder)
    }

    /// Calibrates the bank with a trained head, too.
    ///
    /// # Errors
    /// When the head was trained for another encoder.
    pub fn calibrate_with(&mut self, head: Arc<Head>) -> Result<()> {
        head.check_encoder(self.extractor.encoder())?;
        if self.heads.iter().all(|known| known.scorer() != head.scorer()) {
            self.heads.push(head);
        }
        Ok(())
    }

    /// Learns one good frame, unless it adds less than the novelty that is asked for. Whether it was learned.
    ///
    /// # Errors
    /// When the ignore mask leaves next to nothing of the frame, or the compute pool cannot be started.
    pub fn add(&mut self, frame: &Frame<'_>) -> Result<bool> {
        let image = (self.before + self.frames) as u32;
        self.extractor.run(frame, &mut Default::default())?;
        let tokens = self.extractor.ignored().map_or(&[][..], |ignored| ignored.tokens());
        if !self.novelty.admits(&self.extractor.descriptors, self.extractor.width(), tokens) {
            return Ok(false);
        }
        let descriptors = std::mem::take(&mut self.extractor.descriptors);
        let held_out = self.holdout.next();
        if held_out && self.holdout.held() == 1 {
            // From here on frames that the first bank does not know are at hand.
            self.spare = std::mem::take(&mut self.calibration);
            self.spare.truncate(SPARE);
            self.calibration_sample = Reservoir::new(MAX_CALIBRATION_FRAMES, stream(self.settings.seed, 1));
        }
        if held_out || self.holdout.held() == 0 {
            self.keep_for_calibration(image, &descriptors);
        }
        self.held_out.push(held_out);
        self.extractor.descriptors = descriptors;
        self.collect_all(image);
        self.frames += 1;
        Ok(true)
    }

    /// Takes back the last `n` learned frames, as far as there are so many, and returns their number. A bank that is
    /// continued stays whole.
    pub fn discard_last(&mut self, n: usize) -> usize {
        let n = n.min(self.frames);
        self.frames -= n;
        let (first, width) = ((self.before + self.frames) as u32, self.extractor.width());
        let mut kept = 0;
        for row in 0..self.images.len() {
            if self.images[row] < first {
                self.images[kept] = self.images[row];
                self.features.copy_within(row * width..(row + 1) * width, kept * width);
                kept += 1;
            }
        }
        let discarded = self.images.len() - kept;
        self.images.truncate(kept);
        self.features.truncate(kept * width);
        self.sample.forget(discarded);
        self.held_out.truncate(self.frames);
        self.holdout.rewind(self.frames);
        let before = self.calibration.len();
        self.calibration.retain(|frame| frame.image < first);
        self.calibration_sample.forget(before - self.calibration.len());
        if self.holdout.held() == 0 && !self.spare.is_empty() {
            self.calibration = std::mem::take(&mut self.spare);
            self.calibration.retain(|frame| frame.image < first);
            self.calibration_sample = Reservoir::new(MAX_CALIBRATION_FRAMES, stream(self.settings.seed, 1));
            for _ in &self.calibration {
                self.calibration_sample.place();
            }
        }
        self.spare.retain(|frame| frame.image < first);
        self.novelty.clear();
        n
    }

    /// Novelty that a frame needs from now on to be learned; 0 takes every frame.
    pub fn set_min_novelty(&mut self, least: f64) {
        self.novelty.set_least(least);
    }

    /// Novelty of the last frame: the relative change of its features from those of the nearest of the last eight
    /// learned frames. `None` when it was not compared.
    pub fn novelty(&self) -> Option<f64> {
        self.novelty.last()
    }

    /// Learns another view of the frame that was added last, such as a turned copy. It is part of that frame: held out
    /// with it, and never what the frame is compared with when the thresholds are found.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_view(&mut self, frame: &Frame<'_>) -> Result<()> {
        if self.frames == 0 {
            return self.add(frame).map(|_| ());
        }
        let image = (self.before + self.frames - 1) as u32;
        self.extractor.run(frame, &mut Default::default())?;
        self.collect_all(image);
        Ok(())
    }

    /// Frames learned so far, held-out ones included.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Descriptors held at present.
    pub fn vectors(&self) -> usize {
        self.images.len()
    }

    /// Frames needed before [`BankBuilder::build`] can succeed: one to remember and one to compare with it.
    pub fn frames_needed(&self) -> usize {
        if self.before > 0 { 1 } else { 2 }
    }

    /// Thins the descriptors, scores the calibration frames and returns the bank. `progress` hears the stage, steps
    /// done and steps in all.
    ///
    /// # Errors
    /// When too few frames were added.
    pub fn finish(mut self, progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send)) -> Result<Bank> {
        self.build(progress)
    }

    /// As [`BankBuilder::finish`], but keeps what was collected: more frames may follow.
    ///
    /// # Errors
    /// As [`BankBuilder::finish`].
    pub fn build(&mut self, progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send)) -> Result<Bank> {
        if self.frames < self.frames_needed() {
            return Err(Error::TooFewFrames { needed: self.frames_needed(), found: self.frames });
        }
        let known = self.known_first();
        let features = std::mem::take(&mut self.features);
        let bank = self.build_of(&features, known, progress);
        self.features = features;
        bank
    }

    /// Makes a bank of `features`, of which the first `known` are not held out.
    fn build_of(
        &self,
        features: &[f32],
        known: usize,
        progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send),
    ) -> Result<Bank> {
        let held_out = self.holdout.held() > 0;
        let (width, capacity) = (self.extractor.width(), self.settings.capacity);
        let rng = stream(self.settings.seed, 2);
        let mut thinning = coreset::Thinning::new(features, width, capacity, self.settings.reduction, rng)?;

        let total = capacity.min(self.images.len());
        let reduced = |done: usize, progress: &mut dyn FnMut(BuildStage, usize, usize)| {
            progress(BuildStage::Reduce, done, total);
        };
        reduced(0, progress);
        let share = known as f64 / self.images.len() as f64;
        let first = ((capacity as f64 * share).ceil() as usize).max(1);
        let picks = thinning.pick(known, first, &mut |done| reduced(done, progress))?.to_vec();
        let memory = self.memory_of(&picks, thinning.rows())?;
        let (calibration, trained) = self.calibrate(&memory, held_out, progress)?;
        let picks = thinning.pick(self.images.len(), capacity, &mut |done| reduced(done, progress))?.to_vec();
        let memory = self.memory_of(&picks, thinning.rows())?;
        reduced(total, progress);
        let ignore = self.settings.view.ignore.clone();
        Ok(Bank::new(self.header(), calibration, trained, ignore, memory))
    }

    /// Brings the descriptors of frames that are not held out to the front and returns their number.
    fn known_first(&mut self) -> usize {
        let width = self.extractor.width();
        let is_known = |image: u32| {
            // Frames of an earlier bank are known.
            (image as usize)
                .checked_sub(self.before)
                .and_then(|i| self.held_out.get(i))
                .is_none_or(|held| !held)
        };
        let mut known = 0;
        for row in 0..self.images.len() {
            if is_known(self.images[row]) {
                if known < row {
                    self.images.swap(known, row);
                    let (front, back) = self.features.split_at_mut(row * width);
                    front[known * width..][..width].swap_with_slice(&mut back[..width]);
                }
                known += 1;
            }
        }
        known
    }

    /// The picked descriptors.
    fn memory_of(&self, picks: &[u32], rows: Vec<f32>) -> Result<Memory> {
        Memory::new(rows, picks.iter().map(|pick| self.images[*pick as usize]).collect())
    }

    /// Collects what the extractor saw last, but for ignored tokens.
    fn collect_all(&mut self, image: u32) {
        let descriptors = std::mem::take(&mut self.extractor.descriptors);
        let ignored = self.extractor.ignored().cloned();
        let ignored = ignored.as_ref().map_or(&[][..], |ignored| ignored.tokens());
        for (token, row) in descriptors.chunks_exact(self.extractor.width()).enumerate() {
            if !ignored.get(token).copied().unwrap_or(false) {
                self.collect(row, image);
            }
        }
        self.extractor.descriptors = descriptors;
    }

    fn collect(&mut self, row: &[f32], image: u32) {
        match self.sample.place() {
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

    fn keep_for_calibration(&mut self, image: u32, descriptors: &[f32]) {
        let half = || Kept {
            image,
            visible: self.extractor.visible(),
            ignored: self.extractor.ignored().cloned(),
            descriptors: descriptors.iter().map(|v| half::f16::from_f32(*v)).collect(),
        };
        match self.calibration_sample.place() {
            Place::Append => self.calibration.push(half()),
            Place::Replace(at) => self.calibration[at] = half(),
            Place::Skip => {}
        }
    }

    /// Scores the frames kept for that, without a trained head and with each.
    fn calibrate(
        &self,
        memory: &Memory,
        held_out: bool,
        progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send),
    ) -> Result<(Calibration, Vec<Calibration>)> {
        let total = self.calibration.len() * (1 + self.heads.len());
        let mut done = 0;
        let mut with = |head| {
            let mut each = || {
                progress(BuildStage::Calibrate, done, total);
                done += 1;
            };
            self.calibrate_one(head, memory, held_out, &mut each)
        };
        let calibration = with(None)?;
        let trained = self.heads.iter().map(|head| with(Some(Arc::clone(head)))).collect::<Result<_>>()?;
        progress(BuildStage::Calibrate, total, total);
        Ok((calibration, trained))
    }

    fn calibrate_one(
        &self,
        head: Option<Arc<Head>>,
        memory: &Memory,
        held_out: bool,
        each: &mut dyn FnMut(),
    ) -> Result<Calibration> {
        let config = self.extractor.encoder().config();
        let mut model = Model::snarm(config, head)?;
        let mut raw = RawMap::new(config.side, model.map_side());
        let (mut images, mut peaks) = (Vec::new(), Vec::new());
        let mut descriptors = Vec::new();
        for kept in &self.calibration {
            each();
            descriptors.clear();
            descriptors.extend(kept.descriptors.iter().map(|v| v.to_f32()));
            let (score, peak) = snarm_kernels::threads::install(|| -> Result<(f64, f64)> {
                let unlike = (!held_out).then_some(kept.image);
                let ignored = kept.ignored.as_deref();
                let tokens = ignored.map_or(&[][..], |ignored| ignored.tokens());
                let map = model.score(&descriptors, memory, unlike, tokens, &mut Default::default())?;
                raw.run(map, kept.visible, ignored)
            })??;
            images.push(score);
            peaks.push(peak);
        }
        let fresh = Calibration::new(model.scorer(), held_out, &images, &peaks)?;
        match self.earlier.iter().find(|earlier| earlier.scorer == fresh.scorer) {
            Some(earlier) => earlier.joined(&fresh),
            None => Ok(fresh),
        }
    }

    pub(super) fn header(&self) -> Header {
        let encoder = self.extractor.encoder();
        Header {
            encoder: encoder.name().to_owned(),
            encoder_digest: encoder.digest().to_owned(),
            side: encoder.config().side,
            grid: encoder.config().grid,
            layers: layers_of(encoder),
            crop: self.settings.view.crop,
            roi: self.settings.view.roi,
            ignore_mask: self.settings.view.ignore.as_ref().map(|mask| [mask.width(), mask.height()]),
            frames: self.before + self.frames,
            reduction: self.settings.reduction,
            seed: self.settings.seed,
            made_by: concat!("snarm-core ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A bank goes on with the part of the frames that it began with; what is asked for may be left open.
fn check_view(bank: &View, asked: &View) -> Result<()> {
    let text = |roi: Option<Rect>| roi.unwrap_or(Rect::WHOLE).to_string();
    if asked.roi.is_some() && asked.roi != bank.roi {
        let (expected, found) = (text(bank.roi), text(asked.roi));
        return Err(Error::Mismatch { what: "roi of the bank", expected, found });
    }
    if asked.ignore.is_some() && asked.ignore != bank.ignore {
        let text = |mask: &Option<Arc<IgnoreMask>>| match mask {
            Some(mask) => format!("a mask of {}x{}", mask.width(), mask.height()),
            None => "none".to_owned(),
        };
        let found = format!("another: {}", text(&asked.ignore));
        return Err(Error::Mismatch { what: "ignore mask of the bank", expected: text(&bank.ignore), found });
    }
    Ok(())
}

/// Independent random numbers for each use of one seed.
fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}
