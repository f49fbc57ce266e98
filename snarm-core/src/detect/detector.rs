//! The way of a frame through the core: preprocess, encode, match, score, post-process.

use std::sync::Arc;
use std::time::Instant;

use snarm_kernels::frame::Frame;

use super::extract::Extractor;
use super::postprocess::{RawMap, Regions};
use super::result::{Detection, Limits};
use super::times::StageTimes;
use crate::bank::{Bank, Calibration};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::models::snarm::head::{self, Head};
use crate::view::View;

/// Scores frames against a bank. One detector serves one stream; encoder, bank and trained head are shared.
pub struct Detector {
    extractor: Extractor,
    bank: Arc<Bank>,
    model: Model,
    calibration: Calibration,
    raw: RawMap,
    regions: Regions,
    detection: Detection,
}

impl Detector {
    /// A detector for frames of the product that `bank` remembers, without a trained head.
    ///
    /// # Errors
    /// When the bank was made with another encoder than `encoder`.
    pub fn new(encoder: Arc<Encoder>, bank: Arc<Bank>) -> Result<Self> {
        Self::with_head(encoder, bank, None)
    }

    /// As [`Self::new`], with a trained head, whose scale is that of the bank's calibration with this head, else the one
    /// that came with the head, else its plain probabilities.
    ///
    /// # Errors
    /// As [`Self::new`], or when the head was trained for another encoder.
    pub fn with_head(encoder: Arc<Encoder>, bank: Arc<Bank>, head: Option<Arc<Head>>) -> Result<Self> {
        bank.check_encoder(&encoder)?;
        if let Some(head) = &head {
            head.check_encoder(&encoder)?;
        }
        let geometry = encoder.geometry();
        let model = Model::snarm(geometry, head)?;
        let calibration = calibration(&bank, &model);
        let raw = RawMap::new(geometry.side, model.map_side());
        let detection = Detection::empty(geometry.side);
        let mut extractor = Extractor::new(encoder, bank.view())?;
        extractor.set_scales(bank.group_scales());
        Ok(Self { extractor, bank, model, calibration, raw, regions: Regions::default(), detection })
    }

    /// The bank in use.
    pub fn bank(&self) -> &Arc<Bank> {
        &self.bank
    }

    /// The encoder in use.
    pub fn encoder(&self) -> &Arc<Encoder> {
        self.extractor.encoder()
    }

    /// The trained head in use, where there is one.
    pub fn head(&self) -> Option<&Arc<Head>> {
        self.model.head()
    }

    /// What the stage `decode` of the last frame consists of, where there is a trained head.
    pub fn head_times(&self) -> Option<head::Times> {
        self.model.head_times()
    }

    /// The calibration in use.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// What makes the raw scores: `training-free`, or `head:` and the digest of a trained head.
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

    /// Looks at another part of the upright frames from now on.
    ///
    /// # Errors
    /// When the region of interest is no part of the frame; then nothing changes.
    pub fn set_view(&mut self, view: View) -> Result<()> {
        self.extractor.set_view(view)
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

    /// Scores one frame, turned upright as its orientation says. The result lives until the next call. Nothing is allocated from the second frame of a size on.
    ///
    /// # Errors
    /// When the ignore mask leaves next to nothing of the frame, or the compute pool cannot be started.
    pub fn detect(&mut self, frame: &Frame<'_>, limits: &Limits) -> Result<&Detection> {
        let mut times = StageTimes::default();
        self.extractor.run(frame, &mut times)?;
        let Self { extractor, bank, model, calibration, raw, regions, detection } = self;
        snarm_kernels::threads::install(|| {
            let ignored = extractor.ignored().map(|ignored| &**ignored);
            let tokens = ignored.map_or(&[][..], |ignored| ignored.tokens());
            let scores = model.score(&extractor.descriptors, bank.memory(), None, tokens, &mut times)?;
            let start = Instant::now();
            let (raw_score, raw_peak) = raw.run(scores, extractor.visible(), ignored)?;
            detection.rate(raw.map(), raw_score, raw_peak, calibration, limits)?;
            (detection.map_rect, detection.seen) = (extractor.map_rect(), extractor.seen());
            let side = detection.map_side;
            regions.run(&detection.map, side, detection.map_rect, limits, &mut detection.regions)?;
            // An empty sum would be -0.0.
            detection.area = detection.regions.iter().fold(0.0, |sum, region| sum + region.area);
            detection.store(frame.orientation());
            times.postprocess = start.elapsed();
            Ok::<(), Error>(())
        })??;
        detection.times = times;
        Ok(detection)
    }
}

/// The calibration for a model: the bank's own, else the one that came with the head, else none but 0.5.
fn calibration(bank: &Bank, model: &Model) -> Calibration {
    let Some(head) = model.head() else { return bank.calibration().clone() };
    if let Some(calibration) = bank.calibration_of(head.scorer()) {
        return calibration.clone();
    }
    let scorer = head.scorer();
    if let Some(calibration) = head.calibration() {
        tracing::info!(
            scorer,
            "the bank was not calibrated with this decoder: the decoder's own calibration holds"
        );
        return calibration.clone();
    }
    tracing::warn!(scorer, "neither bank nor decoder has a calibration: a probability of 0.5 is the limit");
    Calibration::assumed(scorer, 0.5)
}
