//! What is found in a frame, and the limits that decide what it means.

use std::fmt;

use serde::{Deserialize, Serialize};
use snarm_kernels::Grid;
use snarm_kernels::frame::Orientation;
use snarm_kernels::rate::rate;

use super::times::StageTimes;
use crate::bank::Calibration;
use crate::error::Result;
use crate::light::Quality;
use crate::view::Rect;

/// Limits that turn scores into verdicts. All of them may change between two frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Image scores from here on are anomalous.
    pub threshold: f64,
    /// Image scores from here on, below the threshold, are uncertain; nothing is without it.
    pub threshold_low: Option<f64>,
    /// Pixel scores from here on belong to the mask.
    pub pixel_threshold: f64,
    /// Regions that cover a smaller fraction of the frame are dropped.
    pub min_area: f64,
    /// At most so many regions are reported, those of the highest score first.
    pub max_regions: usize,
}

impl Limits {
    /// What an image score means.
    pub fn verdict(&self, score: f64) -> Verdict {
        Verdict::of(score, self.threshold, self.threshold_low)
    }
}

/// What the image score of a frame means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Below the lower threshold, or below the only one.
    Normal,
    /// Between the two thresholds.
    Uncertain,
    /// From the threshold on.
    Anomalous,
    /// Not analysed.
    #[default]
    Unknown,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Uncertain, Self::Anomalous, Self::Unknown];

    /// The verdict on an image score by the threshold and the lower one.
    pub fn of(score: f64, threshold: f64, threshold_low: Option<f64>) -> Self {
        if score >= threshold {
            Self::Anomalous
        } else if threshold_low.is_some_and(|low| score >= low) {
            Self::Uncertain
        } else {
            Self::Normal
        }
    }

    /// The word in metadata, messages and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Uncertain => "uncertain",
            Self::Anomalous => "anomalous",
            Self::Unknown => "unknown",
        }
    }

    /// The verdict of that word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Whether the score reached the threshold.
    pub fn is_anomalous(self) -> bool {
        self == Self::Anomalous
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One connected part of the mask, in fractions of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Region {
    /// Number of the region in its frame, from 0, highest score first.
    pub id: u32,
    /// Bounding box.
    #[serde(flatten)]
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
    /// What `score` means by the limits; unknown where the frame cannot be judged.
    pub verdict: Verdict,
    /// Light and sharpness of the frame, where the bank knows those of learned ones.
    pub quality: Option<Quality>,
    /// Fraction of the frame covered by the reported regions.
    pub area: f64,
    /// The regions, highest score first.
    pub regions: Vec<Region>,
    /// The anomaly map: pixel scores 0..1, (rows, columns) of `map_size`.
    pub map: Vec<f32>,
    /// Rows and columns of the anomaly map.
    pub map_size: Grid,
    /// Part of the frame that the anomaly map covers.
    pub map_rect: Rect,
    /// Part of the frame that was looked at: the region of interest without what the crop leaves out.
    pub seen: Rect,
    /// Time of each stage.
    pub times: StageTimes,
    /// Room to turn a map in.
    turned: Vec<f32>,
}

impl Detection {
    pub(super) fn empty(size: Grid) -> Self {
        Self {
            score: 0.0,
            raw_score: 0.0,
            score_max: 0.0,
            verdict: Verdict::Unknown,
            quality: None,
            area: 0.0,
            regions: Vec::new(),
            map: vec![0.0; size.cells()],
            map_size: size,
            map_rect: Rect::WHOLE,
            seen: Rect::WHOLE,
            times: StageTimes::default(),
            turned: Vec::new(),
        }
    }

    /// Moves what was found in the upright picture to where a frame of this orientation stores it.
    pub(super) fn store(&mut self, orientation: Orientation) {
        if orientation == Orientation::UPRIGHT {
            return;
        }
        let inverse = orientation.inverse();
        inverse.turn(&mut self.map, self.map_size, &mut self.turned);
        self.map_size = inverse.grid(self.map_size);
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
        self.verdict = limits.verdict(self.score);
        Ok(rate(raw, calibration.reference as f32, &mut self.map)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thresholds_make_three_verdicts() {
        let limits = |threshold_low| Limits {
            threshold: 0.5,
            threshold_low,
            pixel_threshold: 0.5,
            min_area: 0.0,
            max_regions: 1,
        };
        for (low, score, verdict) in [
            (None, 0.49, "normal"),
            (None, 0.5, "anomalous"),
            (Some(0.3), 0.29, "normal"),
            (Some(0.3), 0.3, "uncertain"),
            (Some(0.3), 0.5, "anomalous"),
            (Some(0.9), 0.6, "anomalous"),
            (Some(0.9), 0.4, "normal"),
            (Some(0.0), 0.0, "uncertain"),
        ] {
            assert_eq!(limits(low).verdict(score).name(), verdict, "{low:?} {score}");
        }
    }

    #[test]
    fn a_verdict_is_one_word_everywhere() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::named(verdict.name()), Some(verdict));
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
            assert_eq!(format!("{verdict:>10}").trim_start(), verdict.name());
        }
        assert_eq!((Verdict::named("Normal"), Verdict::named("")), (None, None));
    }
}
