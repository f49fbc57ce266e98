//! What is found in a frame, and the limits that decide what it means.

use snarm_kernels::frame::Orientation;
use snarm_kernels::rate::rate;

use super::times::StageTimes;
use crate::bank::Calibration;
use crate::error::Result;
use crate::view::Rect;

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

/// What was found in one frame, in coordinates of the frame as it is stored.
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

impl Detection {
    pub(super) fn empty(side: usize) -> Self {
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

    /// Moves what was found in the upright picture to where a frame of this orientation stores it.
    pub(super) fn store(&mut self, orientation: Orientation) {
        if orientation == Orientation::UPRIGHT {
            return;
        }
        orientation.inverse().turn(&mut self.map, self.map_side);
        (self.map_rect, self.seen) = (self.map_rect.stored(orientation), self.seen.stored(orientation));
        for region in &mut self.regions {
            let centre = Rect { x: region.cx, y: region.cy, w: 0.0, h: 0.0 }.stored(orientation);
            (region.rect, region.cx, region.cy) = (region.rect.stored(orientation), centre.x, centre.y);
        }
    }

    /// Brings raw scores to 0..1 and compares them with the limits.
    pub(super) fn rate(
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
