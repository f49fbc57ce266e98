//! From the raw scores of good frames to one scale and its thresholds.
//!
//! A raw score is a distance between features, whose size depends on the encoder and on how much good parts differ, or
//! the probability of a trained head, which means what its training data meant. It is brought to 0..1 by s = x^2 / (1 + x^2), x = raw / reference, where the reference is the raw score above which
//! good frames are not expected. So 0.5 is the bank's own threshold, whatever the product; the order of scores is kept,
//! and far above the threshold nothing saturates.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Standard deviations above the mean where good frames are not expected any more.
const SIGMAS: f64 = 2.0;

/// Distribution of good frames' scores, and the thresholds taken from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What made the raw scores.
    pub scorer: String,
    /// Raw image score that becomes 0.5.
    pub reference: f64,
    /// Image score threshold, 0..1.
    pub threshold: f64,
    /// Pixel score threshold, 0..1.
    pub pixel_threshold: f64,
    /// Good frames scored.
    pub frames: usize,
    /// Whether those frames were held out of the bank; if not, each was scored against the rest.
    pub held_out: bool,
    /// Mean of their image scores, 0..1.
    pub mean: f64,
    /// Standard deviation of their image scores.
    pub std: f64,
    /// Highest of their image scores.
    pub max: f64,
    /// Their image scores, ascending.
    pub scores: Vec<f64>,
}

impl Calibration {
    /// From the raw image scores and the highest raw pixel scores of good frames.
    ///
    /// # Errors
    /// When there are none, or one is not a number.
    pub fn new(scorer: &str, held_out: bool, images: &[f64], peaks: &[f64]) -> Result<Self> {
        if images.is_empty() || images.iter().chain(peaks).any(|raw| !raw.is_finite() || *raw < 0.0) {
            let expected = "finite raw scores of at least one good frame".to_owned();
            return Err(Error::Mismatch { what: "calibration", expected, found: format!("{images:?}") });
        }
        // A perfectly still picture scores 0: any reference serves, but it must be positive.
        let reference = limit(images).max(f64::MIN_POSITIVE.sqrt());
        let scale = |raw: f64| unit_score(raw, reference);
        let mut scores: Vec<f64> = images.iter().map(|raw| scale(*raw)).collect();
        scores.sort_by(f64::total_cmp);
        let (mean, std) = moments(&scores);
        Ok(Self {
            scorer: scorer.to_owned(),
            reference,
            threshold: scale(reference),
            pixel_threshold: scale(limit(peaks)),
            frames: images.len(),
            held_out,
            mean,
            std,
            max: scores.last().copied().unwrap_or_default(),
            scores,
        })
    }

    /// What is assumed of a scorer where no good frame was scored: that raw score is the limit of all.
    pub fn assumed(scorer: &str, reference: f64) -> Self {
        Self {
            scorer: scorer.to_owned(),
            reference,
            threshold: 0.5,
            pixel_threshold: 0.5,
            frames: 0,
            held_out: false,
            mean: 0.0,
            std: 0.0,
            max: 0.0,
            scores: Vec::new(),
        }
    }

    /// This calibration and that of frames which came later, as one. The scores of both count; a bank that has grown
    /// scores good frames lower, so the earlier ones err on the side of calm.
    ///
    /// # Errors
    /// As [`Calibration::new`].
    pub(super) fn joined(&self, later: &Self) -> Result<Self> {
        let both = [self, later];
        let images: Vec<f64> = both
            .iter()
            .flat_map(|one| one.scores.iter().map(|score| raw_score(*score, one.reference)))
            .collect();
        let peaks = both.map(|one| raw_score(one.pixel_threshold, one.reference));
        // The limit of both peaks is the higher one: they are limits already.
        let peak = peaks[0].max(peaks[1]);
        Self::new(&self.scorer, self.held_out && later.held_out, &images, &[peak])
    }

    /// The raw score that good frames usually have, their median; nothing where none was scored, or all scored 0.
    pub fn usual(&self) -> Option<f64> {
        let score = self.scores.get(self.scores.len() / 2)?;
        Some(raw_score(*score, self.reference)).filter(|raw| *raw > 0.0)
    }

    /// The 0..1 score of a raw score.
    pub fn score(&self, raw: f64) -> f64 {
        unit_score(raw, self.reference)
    }

    /// Checks what was read from a file.
    pub(crate) fn is_sane(&self) -> bool {
        let units = [self.threshold, self.pixel_threshold, self.mean, self.max];
        self.reference > 0.0
            && self.reference.is_finite()
            && units.iter().chain(&self.scores).all(|unit| (0.0..=1.0).contains(unit))
    }
}

fn unit_score(raw: f64, reference: f64) -> f64 {
    let x = raw / reference;
    1.0 - 1.0 / (1.0 + x * x)
}

/// The raw score of a 0..1 score.
fn raw_score(score: f64, reference: f64) -> f64 {
    let score = score.min(1.0 - 1e-12);
    reference * (score / (1.0 - score)).sqrt()
}

/// The raw score above which good frames are not expected: the highest seen, or mean and two standard deviations,
/// whichever is higher (a few frames tell little of their maximum). Scores are distances or small probabilities, so both
/// are taken of their logarithms. A frame that repeats a learned one scores next to nothing, which says nothing of the others: no score
/// counts as less than half the median.
fn limit(raws: &[f64]) -> f64 {
    let mut sorted = raws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let floor = sorted.get(sorted.len() / 2).map_or(0.0, |median| median / 2.0).max(1e-12);
    let logs: Vec<f64> = raws.iter().map(|raw| raw.max(floor).ln()).collect();
    let (mean, std) = moments(&logs);
    logs.iter().copied().fold(mean + SIGMAS * std, f64::max).exp()
}

/// Mean and (unbiased) standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, var.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_a_half_and_no_good_frame_passes_it() {
        let calibration =
            Calibration::new("x", true, &[1.0, 1.2, 0.9, 1.1, 2.0], &[1.5, 1.5, 1.5, 1.5, 2.5]).unwrap();
        assert!((calibration.threshold - 0.5).abs() < 1e-12);
        assert!(calibration.max <= calibration.threshold);
        assert!(calibration.pixel_threshold > calibration.threshold);
    }

    #[test]
    fn a_later_calibration_counts_beside_the_earlier_one() {
        let earlier = Calibration::new("x", true, &[1.0, 1.1, 0.9, 1.0], &[2.0, 2.1, 1.9, 2.0]).unwrap();
        // One frame that the bank knows already says nothing of the others.
        let repeated = Calibration::new("x", true, &[0.01], &[0.02]).unwrap();
        let joined = earlier.joined(&repeated).unwrap();
        assert_eq!(joined.frames, 5);
        assert!(joined.reference >= earlier.reference, "{} {}", joined.reference, earlier.reference);
        let pixel = |one: &Calibration| raw_score(one.pixel_threshold, one.reference);
        assert!((pixel(&joined) - pixel(&earlier)).abs() < 1e-9);
        // Frames of a new shade widen what is good.
        let wider = Calibration::new("x", true, &[3.0, 3.1], &[5.0, 5.1]).unwrap();
        let joined = earlier.joined(&wider).unwrap();
        assert!(joined.reference >= 3.1 && (pixel(&joined) - pixel(&wider)).abs() < 1e-9);
        assert!((joined.score(3.1) - joined.max).abs() < 1e-9);
    }

    #[test]
    fn scores_keep_the_order_of_raw_scores_and_do_not_saturate() {
        let calibration = Calibration::new("x", true, &[3.0, 3.5], &[3.0, 3.5]).unwrap();
        let scores: Vec<f64> = [0.0, 1.0, 4.0, 40.0, 400.0].map(|raw| calibration.score(raw)).to_vec();
        assert!(scores.is_sorted_by(|a, b| a < b) && scores[0] == 0.0 && scores[4] < 1.0, "{scores:?}");
    }

    #[test]
    fn a_repeated_frame_does_not_raise_the_limit() {
        let (few, repeated) = ([1.0, 1.1, 1.2, 1.3, 1.4], [1e-6, 1.0, 1.1, 1.2, 1.3, 1.4]);
        assert!(limit(&repeated) < 1.5 * limit(&few), "{} {}", limit(&repeated), limit(&few));
    }

    #[test]
    fn a_still_picture_has_a_scale_too() {
        let calibration = Calibration::new("x", false, &[0.0, 0.0], &[0.0, 0.0]).unwrap();
        assert!(calibration.is_sane() && calibration.score(0.1) > 0.5);
    }

    #[test]
    fn no_frames_are_refused() {
        assert!(Calibration::new("x", true, &[], &[]).is_err());
        assert!(Calibration::new("x", true, &[f64::NAN], &[1.0]).is_err());
    }
}
