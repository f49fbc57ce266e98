//! The way of a frame through the core: preprocess, encode, match, score, post-process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snarm_kernels::frame::Frame;
use snarm_kernels::rate::rate;

use crate::bank::{Bank, Calibration};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::extract::Extractor;
use crate::geometry::{Rect, View};
use crate::models::Model;
use crate::models::snarm::head::{self, Head};
use crate::postprocess::{RawMap, Regions};

/// Limits that turn scores into verdicts. All of them may change between two frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Image scores from here on are anomalous.
    pub threshold: f64,
    /// Pixel scores from here on belong to the mask.
    pub pixel_threshold: f64,
    /// Regions that cover a smaller fraction of the frame are dropped.
    pub min_area: f64,
    /// At most so many regions are reported, those of the highest score first.
    pub max_regions: usize,
}

/// One connected part of the mask, in fractions of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Number of the region in its frame, from 0, highest score first.
    pub id: u32,
    /// Bounding box.
    pub rect: Rect,
    /// Covered fraction of the frame.
    pub area: f64,
    /// Highest pixel score inside.
    pub score: f64,
    /// Mean pixel score inside.
    pub score_mean: f64,
    /// Centroid, horizontally.
    pub cx: f64,
    /// Centroid, vertically.
    pub cy: f64,
}

/// What was found in one frame.
#[derive(Debug, Clone)]
pub struct Detection {
    /// Image score, 0..1; the bank's own threshold lies at 0.5.
    pub score: f64,
    /// Image score before it was brought to 0..1: a feature distance, or the decoder's probability.
    pub raw_score: f64,
    /// Highest pixel score.
    pub score_max: f64,
    /// Whether `score` reached the threshold.
    pub anomalous: bool,
    /// Fraction of the frame covered by the reported regions.
    pub area: f64,
    /// The regions, highest score first.
    pub regions: Vec<Region>,
    /// Pixel scores 0..1, `map_side` x `map_side`, row-major.
    pub map: Vec<f32>,
    /// Side of the map.
    pub map_side: usize,
    /// Part of the frame that the map covers.
    pub map_rect: Rect,
    /// Part of the frame that was looked at: the region of interest without what the crop leaves out.
    pub seen: Rect,
    /// Time of each stage.
    pub times: StageTimes,
}

/// Wall-clock time of each stage of one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Frame to network input.
    pub preprocess: Duration,
    /// Network input to descriptors.
    pub encode: Duration,
    /// Matching against the bank.
    pub inter_match: Duration,
    /// Waypoint map, trusted and hard tokens.
    pub navigate: Duration,
    /// Matching against the frame's own trusted tokens.
    pub intra_match: Duration,
    /// Residuals to score map.
    pub decode: Duration,
    /// Smoothing, image score, mask and regions.
    pub postprocess: Duration,
}

impl StageTimes {
    /// Stage names and times in the order of the frame's way.
    pub fn stages(&self) -> [(&'static str, Duration); 7] {
        [
            ("preprocess", self.preprocess),
            ("encode", self.encode),
            ("inter-match", self.inter_match),
            ("navigate", self.navigate),
            ("intra-match", self.intra_match),
            ("decode", self.decode),
            ("postprocess", self.postprocess),
        ]
    }

    /// Time of all stages.
    pub fn total(&self) -> Duration {
        self.stages().iter().map(|(_, time)| *time).sum()
    }
}

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
        let extractor = Extractor::new(encoder, bank.view())?;
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

    /// The part of the frames that is looked at: the bank's unless set otherwise.
    pub fn view(&self) -> &View {
        self.extractor.view()
    }

    /// Looks at another part of the frames from now on.
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
            pixel_threshold: calibration.pixel_threshold,
            min_area: 0.0,
            max_regions: 32,
        }
    }

    /// Scores one frame. The result lives until the next call. Nothing is allocated from the second frame of a size on.
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

impl Detection {
    fn empty(side: usize) -> Self {
        Self {
            score: 0.0,
            raw_score: 0.0,
            score_max: 0.0,
            anomalous: false,
            area: 0.0,
            regions: Vec::new(),
            map: vec![0.0; side * side],
            map_side: side,
            map_rect: Rect::WHOLE,
            seen: Rect::WHOLE,
            times: StageTimes::default(),
        }
    }

    /// Brings raw scores to 0..1 and compares them with the limits.
    fn rate(
        &mut self,
        raw: &[f32],
        raw_score: f64,
        raw_peak: f64,
        calibration: &Calibration,
        limits: &Limits,
    ) -> Result<()> {
        self.raw_score = raw_score;
        self.score = calibration.score(raw_score);
        self.score_max = calibration.score(raw_peak);
        self.anomalous = self.score >= limits.threshold;
        Ok(rate(raw, calibration.reference as f32, &mut self.map)?)
    }
}
