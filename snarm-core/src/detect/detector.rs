//! The way of a frame through the core: preprocess, encode, match, score, post-process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snarm_kernels::Precision;
use snarm_kernels::device::Place;
use snarm_kernels::frame::AnyFrame;

use super::device::Choice;
use super::extract::Extractor;
use super::lighting::Lighting;
use super::parity;
use super::patches::{self, Known, Patch};
use super::postprocess::{RawMap, Regions};
use super::result::{Detection, Limits, Verdict};
use super::there::There;
use super::tiled;
use super::times::StageTimes;
use crate::bank::{Bank, Calibration};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::models::{self, Decoder, Model};
use crate::view::View;

/// Scores frames against a bank. One detector serves one stream; encoder, bank and decoder are shared.
pub struct Detector {
    extractor: Extractor,
    bank: Arc<Bank>,
    decoder: Option<Arc<Decoder>>,
    model: Box<dyn Model>,
    calibration: Calibration,
    raw: RawMap,
    /// What a device does between preprocessing and raw scores.
    there: Option<There>,
    regions: Regions,
    detection: Detection,
    /// Whether the processor goes on where a device fails.
    falls_back: bool,
    corrects_light: bool,
    has_quality_gate: bool,
}

impl Detector {
    /// A detector for frames of the product that `bank` remembers, without a decoder.
    ///
    /// # Errors
    /// When the bank was made with another encoder than `encoder`, or holds no descriptors.
    pub fn new(encoder: Arc<Encoder>, bank: Arc<Bank>) -> Result<Self> {
        Self::with_decoder(encoder, bank, None)
    }

    /// As [`Self::new`], with a decoder, whose scale is that of the bank's calibration with this decoder, else the one that
    /// came with it, else its plain probabilities.
    ///
    /// # Errors
    /// As [`Self::new`] where the decoder needs descriptors, or when it was trained for another encoder.
    pub fn with_decoder(
        encoder: Arc<Encoder>,
        bank: Arc<Bank>,
        decoder: Option<Arc<Decoder>>,
    ) -> Result<Self> {
        bank.check_encoder(&encoder)?;
        if let Some(decoder) = &decoder {
            decoder.check_encoder(&encoder)?;
        }
        if bank.memory().is_none() && models::needs_memory(decoder.as_deref()) {
            let by = decoder.as_ref().map_or("scoring without a decoder", |decoder| decoder.scorer());
            let expected = format!("a bank with descriptors, which {by} needs");
            return Err(Error::Mismatch { what: "bank", expected, found: "one without".to_owned() });
        }
        let mut extractor = Extractor::new(encoder, bank.view(), Some(bank.aspect()))?;
        extractor.set_scales(bank.group_scales());
        let geometry = extractor.encoder().geometry();
        let model = models::model(geometry, decoder.as_deref())?;
        let calibration = calibration(&bank, decoder.as_deref());
        let raw = RawMap::new(geometry.size, model.map_size(), model.image_score());
        let detection = Detection::empty(geometry.size);
        let mut detector = Self {
            extractor,
            bank,
            decoder,
            model,
            calibration,
            raw,
            there: None,
            regions: Regions::default(),
            detection,
            falls_back: false,
            corrects_light: true,
            has_quality_gate: true,
        };
        detector.see_as_learned();
        Ok(detector)
    }

    /// Imports, encodes, matches and decodes on that device from now on.
    /// With [`Choice::Auto`] the processor does it where the device cannot, or fails later, and the log says so.
    ///
    /// # Errors
    /// When a device is asked for by name and is not there, does not run the encoder, or lacks the memory.
    pub fn on(mut self, choice: Choice) -> Result<Self> {
        let moved = choice.open().and_then(|place| self.set_place(&place));
        match moved {
            Err(reason) if choice == Choice::Auto => self.fall_back(&reason)?,
            moved => moved?,
        }
        self.falls_back = choice == Choice::Auto && self.place() != Place::Host;
        Ok(self)
    }

    /// Imports, encodes, matches and decodes there from now on, where a device has shown that it finds in a built-in picture what the
    /// processor finds. Frames may be in the memory of that place, or in the host's.
    ///
    /// # Errors
    /// When the device does not run the encoder, finds other numbers, lacks the memory or fails; then the processor goes on.
    pub fn set_place(&mut self, place: &Place) -> Result<()> {
        if *place == self.place() {
            return Ok(());
        }
        let checked = match place {
            Place::Host => Ok(()),
            Place::Cuda(_) => self.check(place),
        };
        let moved = checked.and_then(|()| self.move_to(place));
        if moved.is_err() {
            self.move_to(&Place::Host)?;
        }
        moved
    }

    /// Compares what a device finds in a built-in picture with what the processor finds.
    fn check(&self, place: &Place) -> Result<()> {
        let picture = parity::picture();
        // Of this one the next frame may decide how many tiles there are.
        let encoder = self.extractor.shared().clone();
        let mut other = Self::with_decoder(encoder, self.bank.clone(), self.decoder.clone())?;
        let limits = other.bank_limits();
        let mut look = |there: &Place| -> Result<[Vec<f32>; 3]> {
            other.move_to(there)?;
            other.score(&(&parity::frame(&picture)?).into(), &limits)?;
            other.extractor.fetch()?;
            let extractor = &other.extractor;
            Ok([extractor.light_numbers(), extractor.descriptors.clone(), other.raw.map().to_vec()])
        };
        let ([light, descriptors, map], [found_light, found, found_map]) =
            (look(&Place::Host)?, look(place)?);
        parity::check_light(&light, &found_light)?;
        parity::check_descriptors(&descriptors, &found)?;
        parity::check_maps(&map, &found_map)
    }

    fn move_to(&mut self, place: &Place) -> Result<()> {
        self.there = match place {
            Place::Host => None,
            Place::Cuda(queue) => Some(There::new(queue)),
        };
        self.extractor.move_to(place)?;
        self.model.move_to(place, self.bank.memory())
    }

    /// Goes on with the processor.
    fn fall_back(&mut self, reason: &Error) -> Result<()> {
        tracing::warn!("frames are scored on the CPU from now on: {reason}");
        self.falls_back = false;
        self.move_to(&Place::Host)
    }

    /// What encodes and matches.
    pub fn place(&self) -> Place {
        self.extractor.place()
    }

    /// What elements of matrix products are rounded to: bf16 on a device, else what the encoder was read for.
    pub fn precision(&self) -> Precision {
        self.extractor.precision()
    }

    /// The bank in use.
    pub fn bank(&self) -> &Arc<Bank> {
        &self.bank
    }

    /// The encoder in use.
    pub fn encoder(&self) -> &Arc<Encoder> {
        self.extractor.encoder()
    }

    /// The decoder in use, where there is one.
    pub fn decoder(&self) -> Option<&Arc<Decoder>> {
        self.decoder.as_ref()
    }

    /// What the model's last stage of the last frame consists of, where that is known.
    pub fn parts(&self) -> Vec<(&'static str, Duration)> {
        self.model.parts()
    }

    /// The calibration in use.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// What makes the raw scores: `training-free`, or the name and digest of a decoder.
    pub fn scorer(&self) -> &str {
        self.model.scorer()
    }

    /// Digest of the encoder and [`Self::scorer`], as results name the model.
    pub fn model_id(&self) -> String {
        format!("{}:{}", self.encoder().digest(), self.scorer())
    }

    /// The part of the upright frames that is looked at: the bank's unless set otherwise.
    pub fn view(&self) -> &View {
        self.extractor.view()
    }

    /// Looks at another part of the upright frames from now on. Whether it is another.
    ///
    /// # Errors
    /// When the region of interest is no part of the frame; then nothing changes.
    pub fn set_view(&mut self, view: View) -> Result<bool> {
        let is_other = self.extractor.set_view(view)?;
        if is_other {
            self.see_as_learned();
        }
        Ok(is_other)
    }

    /// Whether frames in another light than the learned ones are brought to it before they are encoded, which they are
    /// unless set otherwise. Where another part of them is looked at than the bank's, light is neither measured nor corrected.
    pub fn set_light_correction(&mut self, corrects: bool) {
        if corrects != self.corrects_light {
            self.corrects_light = corrects;
            self.see_as_learned();
        }
    }

    /// Whether the verdict on frames that are too dark, too bright, blurred or covered is unknown, as it is unless set
    /// otherwise.
    pub fn set_quality_gate(&mut self, gate: bool) {
        self.has_quality_gate = gate;
    }

    /// The bank knows the light of what it looked at, and the places in it.
    fn see_as_learned(&mut self) {
        let are_learned = *self.extractor.view() == self.bank.view();
        self.extractor.set_learned(are_learned);
        let known = self.bank.light().filter(|_| are_learned);
        let known =
            known.map(|light| Lighting::Known { light: light.clone(), corrects: self.corrects_light });
        self.extractor.set_lighting(known.unwrap_or(Lighting::Ignored));
    }

    /// The limits that the calibration gives.
    pub fn bank_limits(&self) -> Limits {
        let calibration = &self.calibration;
        Limits {
            threshold: calibration.threshold,
            threshold_low: None,
            pixel_threshold: calibration.pixel_threshold,
            min_area: 0.0,
            max_regions: 32,
        }
    }

    /// The patch of the last frame that shows a place, in fractions of the upright frame; the nearest one where nothing is
    /// seen there.
    ///
    /// # Errors
    /// When there was no frame yet, or a device does not give what it has of it.
    pub fn patch_at(&mut self, x: f64, y: f64) -> Result<Patch> {
        self.extractor.fetch()?;
        patches::at(&self.extractor, x, y)
    }

    /// The rows of the bank that a patch of the last frame is nearest to, one of each image, the nearest first; at most so
    /// many. None of a bank without descriptors.
    ///
    /// # Errors
    /// When the patch is of another frame.
    pub fn nearest(&self, patch: &Patch, most: usize) -> Result<Vec<Known>> {
        match self.bank.memory() {
            Some(memory) => patches::nearest(&self.extractor, memory, patch, most),
            None => Ok(Vec::new()),
        }
    }

    /// The patch of the last frame that is most like a row of the bank; of a frame that the row was learned from, the patch
    /// that gave it.
    ///
    /// # Errors
    /// When there was no frame yet, the bank has no such row, or a device does not give what it has of the frame.
    pub fn patch_like(&mut self, known: &Known) -> Result<Patch> {
        self.extractor.fetch()?;
        patches::like(&self.extractor, self.bank.rows(), known)
    }

    /// Scores one frame, turned upright as its orientation says, tile after tile. The result lives until the next call. Nothing
    /// is allocated from the second frame of a size on.
    ///
    /// # Errors
    /// When the ignore mask leaves next to nothing of the frame, the compute pool cannot be started, a device that was asked
    /// for by name fails, or the frame is in the memory of another place than [`Self::place`] and the host.
    pub fn detect<'a>(&mut self, frame: impl Into<AnyFrame<'a>>, limits: &Limits) -> Result<&Detection> {
        let frame = frame.into();
        match self.score(&frame, limits) {
            Err(reason) if self.falls_back && reason.is_of_device() => {
                self.fall_back(&reason)?;
                self.score(&frame, limits)?;
            }
            scored => scored?,
        }
        Ok(&self.detection)
    }

    /// The raw image score and the highest raw pixel score of a frame that a device reads, encodes and scores; nothing on the
    /// host. The stage `device` ends when the host has its answers.
    fn score_there(&mut self, frame: AnyFrame<'_>, times: &mut StageTimes) -> Result<Option<(f64, f64)>> {
        let Self { extractor, bank, model, raw, there, .. } = self;
        let Some(there) = there else { return Ok(None) };
        let mut is_first = true;
        extractor.run_there(frame, times, |ahead, times| {
            let start = Instant::now();
            if std::mem::take(&mut is_first) {
                raw.begin(&ahead.seen.mosaic);
            }
            there.tile(ahead, &mut **model, bank.memory(), raw)?;
            times.add("device", start.elapsed());
            Ok(())
        })?;
        let start = Instant::now();
        let found = there.end(raw, extractor.seen())?;
        extractor.fetch_light()?;
        times.add("device", start.elapsed());
        Ok(Some(found))
    }

    fn score(&mut self, frame: &AnyFrame<'_>, limits: &Limits) -> Result<()> {
        let mut times = std::mem::take(&mut self.detection.times);
        times.clear();
        let found_there = self.score_there(*frame, &mut times)?;
        if found_there.is_none() {
            self.extractor.run(*frame, &mut times)?;
        }
        let Self { extractor, bank, model, calibration, raw, regions, detection, has_quality_gate, .. } =
            self;
        snarm_kernels::threads::install(|| {
            let seen = extractor.seen();
            let (raw_score, raw_peak) = match found_there {
                Some(found) => found,
                None => tiled::score(
                    &mut **model,
                    raw,
                    seen,
                    |tile| extractor.features(tile),
                    bank.memory(),
                    None,
                    &mut times,
                )?,
            };
            let start = Instant::now();
            detection.map_size = seen.mosaic.size();
            (detection.map_rect, detection.seen) = (seen.mosaic.rect(), extractor.seen_part());
            detection.map.resize(detection.map_size.cells(), 0.0);
            detection.rate(raw.map(), raw_score, raw_peak, calibration, limits)?;
            detection.quality = extractor.quality();
            if *has_quality_gate && detection.quality.is_some_and(|quality| quality.reason.is_some()) {
                detection.verdict = Verdict::Unknown;
            }
            regions.run(
                &detection.map,
                detection.map_size,
                detection.map_rect,
                limits,
                &mut detection.regions,
            )?;
            // An empty sum would be -0.0.
            detection.area = detection.regions.iter().fold(0.0, |sum, region| sum + region.area);
            detection.store(frame.orientation());
            times.add("postprocess", start.elapsed());
            Ok::<(), Error>(())
        })??;
        detection.times = times;
        Ok(())
    }
}

/// The calibration for a decoder: the bank's own, else the one that came with the decoder, else none but 0.5.
fn calibration(bank: &Bank, decoder: Option<&Decoder>) -> Calibration {
    let Some(decoder) = decoder else { return bank.calibration().clone() };
    let scorer = decoder.scorer();
    if let Some(calibration) = bank.calibration_of(scorer) {
        return calibration.clone();
    }
    if let Some(calibration) = decoder.calibration() {
        tracing::info!(
            scorer,
            "the bank was not calibrated with this decoder: the decoder's own calibration holds"
        );
        return calibration.clone();
    }
    tracing::warn!(scorer, "neither bank nor decoder has a calibration: a probability of 0.5 is the limit");
    Calibration::assumed(scorer, 0.5)
}
