//! From the raw scores of good frames to one scale and its thresholds.
//!
//! A raw score is a distance between features, whose size depends on the encoder and on how much good parts differ, or
//! the probability of a trained decoder, which means what its training data meant. It is brought to 0..1 by
//! s = x^2 / (1 + x^2), x = raw / reference, where the reference is the raw score above which good frames are not
//! expected. So 0.5 is the bank's own threshold, whatever the product; the order of scores is kept, and far above the
//! threshold nothing saturates.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Standard deviations above the median where good frames are not expected any more.
const SIGMAS: f64 = 2.0;

/// Part of the scored frames that lie below the limit however little most of them differ: where a belt stands still
/// half of the time, most frames repeat each other and say nothing of those that move.
const BELOW: f64 = 0.8;

/// Standard deviation of a normal distribution whose median absolute deviation is 1.
const PER_MAD: f64 = 1.4826;

/// By 1 + this / (n - 1) Student's t exceeds two standard deviations, to the first term: few frames tell little.
const FEW: f64 = (SIGMAS * SIGMAS + 1.0) / 4.0;

/// Part of the good frames of other products that lie below what a decoder holds for its limit: it has scored hundreds of them,
/// so their tail is known, which is heavier than that of frames of one product.
const KNOWN: f64 = 0.975;

/// To a bank of one picture good frames score higher by this than to those that a decoder knows: no other picture says how much they
/// differ (docs/accuracy.md, few pictures).
const ALONE: f64 = 1.22;

/// The least standard deviation of logarithms: no camera is as steady as this.
const STEADY: f64 = 0.05;

/// The least raw score that is told from 0.
pub(super) const LEAST: f64 = 1e-12;

/// Seconds between frames that can be: others are damage, or no stream.
const STEPS: std::ops::RangeInclusive<f64> = 1e-6..=1e6;

/// The largest raw score taken for one; others are damage.
const LARGEST: f64 = 1e12;

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
    /// Whether each frame was scored without its neighbours in time, too; if not, without its own descriptors alone.
    pub held_out: bool,
    /// Mean of their image scores, 0..1.
    pub mean: f64,
    /// Standard deviation of their image scores.
    pub std: f64,
    /// Highest of their image scores.
    pub max: f64,
    /// Their image scores, ascending.
    pub scores: Vec<f64>,
    /// Frames of a stream that are high together: mean length of a run of neighbours above four fifths of all. 1 for single
    /// pictures.
    #[serde(default = "single", skip_serializing_if = "is_single")]
    pub run: f64,
    /// Seconds between frames of the stream that `run` counts, where their times were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// What the decoder knows of good frames of other products, which counts in the limits beside the scores; not in banks of
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prior: Option<Prior>,
}

/// What a decoder knows of good frames of other products.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Image scores that they would have, 0..1, ascending.
    pub scores: Vec<f64>,
    /// Good frames that the bank has learned: the more, the less the others count.
    pub frames: usize,
}

impl Prior {
    /// The frames that count as much as it does (docs/accuracy.md).
    pub(super) const COUNTS: f64 = 24.0;

    /// Its weight, 0..1, beside that of the learned frames.
    pub(super) fn weight(&self) -> f64 {
        Self::COUNTS / (Self::COUNTS + self.frames as f64)
    }

    /// How much higher logarithms of scores are than it says: it is of banks of many frames.
    pub(super) fn higher(&self) -> f64 {
        higher(self.frames).ln()
    }
}

/// How many times as high as a decoder says good frames score to a bank of so many.
fn higher(frames: usize) -> f64 {
    if frames <= 1 { ALONE } else { 1.0 }
}

fn single() -> f64 {
    1.0
}

fn is_single(run: &f64) -> bool {
    *run == single()
}

impl Calibration {
    /// From the raw image scores and the highest raw pixel scores of good frames.
    ///
    /// # Errors
    /// When there are none, or one is not a number.
    pub fn new(scorer: &str, held_out: bool, images: &[f64], peaks: &[f64]) -> Result<Self> {
        if images.is_empty() || images.iter().chain(peaks).any(|raw| !raw.is_finite() || *raw < 0.0) {
            let expected = "finite raw scores of at least one good frame".to_owned();
            return Err(Error::Values { what: "calibration", expected, found: format!("{images:?}") });
        }
        Ok(Self::of(scorer, held_out, images, limit(images), limit(peaks)))
    }

    /// From raw image scores, their limit, and that of raw pixel scores.
    fn of(scorer: &str, held_out: bool, images: &[f64], limit: f64, peak: f64) -> Self {
        // A perfectly still picture scores 0: any reference serves, but it must be positive.
        let reference = limit.max(LEAST);
        let scale = |raw: f64| unit_score(raw, reference);
        let mut scores: Vec<f64> = images.iter().map(|raw| scale(*raw)).collect();
        scores.sort_by(f64::total_cmp);
        let (mean, std) = moments(&scores);
        Self {
            scorer: scorer.to_owned(),
            reference,
            threshold: scale(reference),
            pixel_threshold: scale(peak),
            frames: images.len(),
            held_out,
            mean,
            std,
            max: scores.last().copied().unwrap_or_default(),
            scores,
            run: single(),
            step: None,
            prior: None,
        }
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
            run: single(),
            step: None,
            prior: None,
        }
    }

    /// This calibration and that of frames which came later, as one. The scores of both count; a bank that has grown
    /// scores good frames lower, so the earlier ones err on the side of calm. Of the two limits of pixel scores the
    /// higher one holds.
    pub(super) fn joined(&self, later: &Self) -> Self {
        let both = [self, later];
        let images: Vec<f64> = both
            .iter()
            .flat_map(|one| one.scores.iter().map(|score| raw_score(*score, one.reference)))
            .collect();
        let peak =
            both.map(|one| raw_score(one.pixel_threshold, one.reference)).into_iter().fold(0.0, f64::max);
        let joined = Self::of(&self.scorer, self.held_out && later.held_out, &images, limit(&images), peak);
        let longest = |a: &Self, b: &Self| match (a.step, b.step) {
            (Some(_), Some(_)) => a.run_time() >= b.run_time(),
            _ => a.run >= b.run,
        };
        let longer = if longest(self, later) { self } else { later };
        Self { run: longer.run, step: longer.step, ..joined }
    }

    /// With that time between frames, in seconds.
    pub(super) fn with_step(self, step: Option<f64>) -> Self {
        Self { step: step.filter(|step| STEPS.contains(step)), ..self }
    }

    /// Seconds from the first to the last frame of a run of high ones, where the times of frames were known.
    pub fn run_time(&self) -> Option<f64> {
        self.step.map(|step| (self.run - 1.0).max(0.0) * step)
    }

    /// Mean length of a run of high frames in a stream with so many frames a second: high frames are together for a time, however
    /// many there are in it. As it was learned, where the times of frames were not known.
    pub(super) fn run_at(&self, rate: f64) -> f64 {
        self.run_time().map_or(self.run, |time| 1.0 + time * rate.max(0.0))
    }

    /// As [`Self::new`], of frames with these ascending numbers in a stream, which follow each other where the numbers do.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn of_stream(scorer: &str, numbers: &[u32], images: &[f64], peaks: &[f64]) -> Result<Self> {
        Ok(Self { run: run(numbers, images), ..Self::new(scorer, true, images, peaks)? })
    }

    /// With limits between its own and those of `prior`, by which a decoder knows what good frames of many products score. The
    /// more frames it has itself, `frames`, the less that counts: limits are weighted means of logarithms. Views that took the
    /// place of frames are none. What the decoder knows is of banks of many frames: to one of a single picture good frames score higher.
    pub(super) fn towards(&self, prior: &Self, frames: usize) -> Self {
        let images: Vec<f64> = self.scores.iter().map(|score| raw_score(*score, self.reference)).collect();
        let scores = prior.scores.iter().map(|score| raw_score(*score, prior.reference));
        let mut known = Prior { scores: scores.collect(), frames };
        let weight = known.weight();
        let between = |own: f64, known: f64| {
            ((1.0 - weight) * own.max(LEAST).ln() + weight * known.max(LEAST).ln()).exp()
        };
        let peak = |one: &Self| raw_score(one.pixel_threshold, one.reference);
        let higher = higher(frames);
        let limit = between(self.reference, higher * prior.known());
        let peak = between(peak(self), higher * peak(prior));
        let found = Self::of(&self.scorer, self.held_out, &images, limit, peak);
        known.scores.iter_mut().for_each(|raw| *raw = found.score(*raw));
        let prior = (!known.scores.is_empty()).then_some(known);
        Self { run: self.run, step: self.step, prior, ..found }
    }

    /// The raw score that all but one in forty of its frames lie below, and not below its limit.
    fn known(&self) -> f64 {
        raw_score(quantile(&self.scores, KNOWN), self.reference).max(self.reference)
    }

    /// The raw score that good frames usually have, their median; nothing where none was scored, or all scored 0.
    pub fn usual(&self) -> Option<f64> {
        let score = self.scores.get(self.scores.len() / 2)?;
        Some(raw_score(*score, self.reference)).filter(|raw| *raw > 0.0)
    }

    /// The score between what good frames usually have and a threshold, half way on the scale of logarithms: a frame above
    /// it is nearer to a defect than to a good frame. Never above the threshold.
    pub fn half_way(&self, threshold: f64) -> f64 {
        let limit = raw_score(threshold, self.reference);
        self.usual().map_or(threshold, |usual| self.score((usual * limit).sqrt()).min(threshold))
    }

    /// The 0..1 score of a raw score.
    pub fn score(&self, raw: f64) -> f64 {
        unit_score(raw, self.reference)
    }

    /// Checks what was read from a file.
    pub(crate) fn is_sane(&self) -> bool {
        let units = [self.threshold, self.pixel_threshold, self.mean, self.std, self.max];
        let known = self.prior.as_ref().map_or(&[][..], |prior| &prior.scores);
        // Rounding, of whoever wrote the file, included.
        (0.1 * LEAST..=LARGEST).contains(&self.reference)
            && units.iter().chain(&self.scores).chain(known).all(|unit| (0.0..=1.0).contains(unit))
            && self.scores.is_sorted()
            && known.is_sorted()
            && (1.0..=self.frames.max(1) as f64).contains(&self.run)
            && self.step.is_none_or(|step| STEPS.contains(&step))
            && self.scores.len() == self.frames
    }
}

/// Mean length of a run of frames above four fifths of all, by how often the frame after one of those is another: in a chain
/// that goes on with probability c, runs are 1 / (1 - c) long. One frame that did not go on is added, so that few say
/// little. The frames have ascending numbers, which follow each other where they are neighbours.
fn run(numbers: &[u32], scores: &[f64]) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let level = quantile(&sorted, BELOW);
    let pairs = numbers.windows(2).zip(scores.windows(2));
    let neighbours = pairs.filter(|(numbers, _)| numbers[1] == numbers[0] + 1).map(|(_, scores)| scores);
    let high: Vec<bool> = neighbours.filter(|pair| pair[0] > level).map(|pair| pair[1] > level).collect();
    let (seen, gone_on) = (high.len() as f64 + 1.0, high.iter().filter(|on| **on).count() as f64);
    1.0 / (1.0 - gone_on / seen)
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

/// The raw score above which good frames are not expected: two standard deviations above the median, of logarithms,
/// since scores are distances or small probabilities; and not below four fifths of the frames.
fn limit(raws: &[f64]) -> f64 {
    let mut logs: Vec<f64> = raws.iter().map(|raw| raw.max(LEAST).ln()).collect();
    logs.sort_by(f64::total_cmp);
    let (median, std) = spread(&logs);
    quantile(&logs, BELOW).max(median + SIGMAS * std).exp()
}

/// Median and standard deviation of ascending numbers, up to half of which may be anything: learned frames are not all
/// alike, and the beginning of a clip, or a defect that nobody saw, must not raise the limit of the others. Of the usual
/// standard deviation and that by the median absolute deviation the smaller is taken, as is good practice with
/// densities: a few odd frames raise the first, two kinds of good frames the second.
pub(super) fn spread(sorted: &[f64]) -> (f64, f64) {
    let median = quantile(sorted, 0.5);
    let mut deviations: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
    deviations.sort_by(f64::total_cmp);
    let robust = PER_MAD * quantile(&deviations, 0.5);
    let usual = if sorted.len() > 1 { moments(sorted).1 } else { robust };
    let few = 1.0 + FEW / (sorted.len() as f64 - 1.0).max(1.0);
    (median, robust.min(usual).max(STEADY) * few)
}

/// The number that a part of ascending numbers lies below, interpolated.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() as f64 - 1.0);
    let at = |i: usize| sorted.get(i).copied().unwrap_or_default();
    let (low, high) = (at(place.floor() as usize), at(place.ceil() as usize));
    low + place.fract() * (high - low)
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
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_threshold_is_a_half_and_new_good_frames_seldom_pass_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (frames, most) in [(4, 0.13), (8, 0.09), (20, 0.055), (64, 0.04)] {
            // Sums of twelve even numbers are nearly normal, of standard deviation 1.
            let mut raw = || (0.2 * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)).exp();
            let (mut passed, mut found) = (0, 0);
            for _ in 0..300 {
                let good: Vec<f64> = (0..frames).map(|_| raw()).collect();
                let calibration = Calibration::new("x", true, &good, &good).unwrap();
                assert!((calibration.threshold - 0.5).abs() < 1e-12);
                let passes = |raw: f64| usize::from(calibration.score(raw) >= calibration.threshold);
                passed += (0..100).map(|_| passes(raw())).sum::<usize>();
                // Defects score twice as high.
                found += (0..100).map(|_| passes(2.0 * raw())).sum::<usize>();
            }
            let (passed, found) = (passed as f64 / 3e4, found as f64 / 3e4);
            assert!(passed < most && found > 0.65, "{frames} frames: {passed} false alarms, {found} found");
        }
    }

    #[test]
    fn a_few_odd_frames_among_the_learned_ones_change_the_limit_little() {
        let good: Vec<f64> = (0..30).map(|i| 1.0 + 0.02 * f64::from(i)).collect();
        for odd in [[0.0; 4], [1e-3; 4], [9.0; 4], [1e6; 4]] {
            let with = limit(&[&good[..], &odd].concat());
            assert!((0.8..1.25).contains(&(with / limit(&good))), "{odd:?}: {with} {}", limit(&good));
        }
    }

    #[test]
    fn frames_of_a_belt_that_stands_still_do_not_make_moving_ones_defects() {
        let still: Vec<f64> = (0..30).map(|i| 0.1 + 1e-4 * f64::from(i)).collect();
        let moving: Vec<f64> = (0..10).map(|i| 1.0 + 0.02 * f64::from(i)).collect();
        assert!(limit(&[still, moving].concat()) > 1.0);
    }

    #[test]
    fn quantiles_are_those_of_the_textbook() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|part| quantile(&sorted, part)), [1.0, 3.0, 5.0, 8.0]);
        assert_eq!(quantile(&[7.0], 0.8), 7.0);
    }

    #[test]
    fn the_smaller_standard_deviation_counts_and_few_frames_widen_it() {
        // Absolute deviations 1, 0, 3, and their median.
        let (median, std) = spread(&[-1.0, 0.0, 3.0]);
        assert!(median == 0.0 && (std - 1.625 * 1.4826).abs() < 1e-12, "{median} {std}");
        // Two kinds: half of the deviations are 1, but so is what is usual.
        let kinds = [[-1.0; 20], [1.0; 20]].concat();
        let (_, std) = spread(&kinds);
        assert!((1.0..1.1).contains(&std), "{std}");
        assert!(spread(&[0.0]).1 > spread(&[0.0; 20]).1 && spread(&[0.0; 20]).1 > STEADY);
    }

    #[test]
    fn a_later_calibration_counts_beside_the_earlier_one() {
        let earlier = Calibration::new("x", true, &[1.0, 1.1, 0.9, 1.0], &[2.0, 2.1, 1.9, 2.0]).unwrap();
        // One frame that the bank knows already says nothing of the others.
        let repeated = Calibration::new("x", true, &[0.01], &[0.02]).unwrap();
        let joined = earlier.joined(&repeated);
        assert_eq!(joined.frames, 5);
        assert!(joined.reference > 0.9 * earlier.reference, "{} {}", joined.reference, earlier.reference);
        let pixel = |one: &Calibration| raw_score(one.pixel_threshold, one.reference);
        assert!((pixel(&joined) - pixel(&earlier)).abs() < 1e-9);
        // Frames of a new shade widen what is good.
        let wider = Calibration::new("x", true, &[3.0, 3.1], &[5.0, 5.1]).unwrap();
        let joined = earlier.joined(&wider);
        assert!(joined.reference >= 2.0 && (pixel(&joined) - pixel(&wider)).abs() < 1e-9);
        assert!((joined.score(3.1) - joined.max).abs() < 1e-9);
    }

    #[test]
    fn what_a_decoder_knows_of_other_products_counts_like_some_frames() {
        let of = |frames: usize, raw: f64| {
            let raws = vec![raw; frames];
            Calibration::new("x", true, &raws, &raws).unwrap()
        };
        let prior = of(300, 0.4);
        let limits = |frames: usize| {
            let (own, found) = (of(frames, 0.8), of(frames, 0.8).towards(&prior, frames));
            assert_eq!((found.frames, found.threshold), (frames, 0.5));
            assert!(
                (raw_score(found.scores[0], found.reference) - 0.8).abs() < 1e-9,
                "scores stay what they were"
            );
            let peak = raw_score(found.pixel_threshold, found.reference);
            assert!((peak - found.reference).abs() < 1e-9);
            (own.reference, found.reference)
        };
        let (own, half) = limits(24);
        assert!((half - (own * prior.reference).sqrt()).abs() < 1e-9, "{half}");
        let ((_, few), (own, many)) = (limits(2), limits(2000));
        assert!(few < half && half < many && many > 0.98 * own, "{few} {half} {many}");
        // To a bank of one picture good frames score higher than what the decoder knows says.
        let known = |frames: usize| {
            let ((own, found), weight) = (limits(frames), Prior::COUNTS / (Prior::COUNTS + frames as f64));
            ((found.ln() - (1.0 - weight) * own.ln()) / weight).exp() / prior.reference
        };
        assert!(
            (known(1) - ALONE).abs() < 1e-9 && (known(2) - 1.0).abs() < 1e-9,
            "{} {}",
            known(1),
            known(2)
        );
        // Five in a hundred good frames of other products score twice as much: they are expected here, too.
        let mut raws = vec![0.4; 285];
        raws.extend([0.8; 15]);
        let tailed = Calibration::new("x", true, &raws, &raws).unwrap();
        assert!(tailed.reference < 0.5, "{}", tailed.reference);
        let (own, found) = (of(24, 0.8), of(24, 0.8).towards(&tailed, 24));
        assert!((found.reference - (own.reference * 0.8).sqrt()).abs() < 1e-9, "{}", found.reference);
    }

    #[test]
    fn scores_keep_the_order_of_raw_scores_and_do_not_saturate() {
        let calibration = Calibration::new("x", true, &[3.0, 3.5], &[3.0, 3.5]).unwrap();
        let scores: Vec<f64> = [0.0, 1.0, 4.0, 40.0, 400.0].map(|raw| calibration.score(raw)).to_vec();
        assert!(scores.is_sorted_by(|a, b| a < b) && scores[0] == 0.0 && scores[4] < 1.0, "{scores:?}");
    }

    #[test]
    fn frames_of_a_stream_that_are_high_together_are_counted_as_runs() {
        // Runs of four high frames among twenty.
        let stream = |n: usize| if n % 20 < 4 { 2.0 + 0.01 * (n % 7) as f64 } else { 1.0 };
        let scores: Vec<f64> = (0..400).map(stream).collect();
        let numbers: Vec<u32> = (0..400).collect();
        let found = Calibration::of_stream("x", &numbers, &scores, &scores).unwrap();
        assert!((3.5..4.1).contains(&found.run) && found.is_sane(), "{}", found.run);
        // Frames that are no neighbours say nothing, and what is learned later does not take it back.
        let apart: Vec<u32> = numbers.iter().map(|n| 2 * n).collect();
        let single = Calibration::of_stream("x", &apart, &scores, &scores).unwrap();
        assert_eq!(single.run, 1.0);
        assert_eq!(single.joined(&found).run, found.run);
        assert_eq!(found.towards(&single, found.frames).run, found.run);
        assert!(!serde_json::to_string(&single).unwrap().contains("run"), "files of before stay as they are");
        let read: Calibration = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
        assert_eq!(read, found);
        assert!(!Calibration { run: 401.0, ..found }.is_sane());
    }

    #[test]
    fn runs_are_as_long_in_time_at_another_rate() {
        let scores = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5];
        let learned = Calibration { run: 5.0, ..Calibration::new("x", true, &scores, &scores).unwrap() };
        assert_eq!((learned.run_time(), learned.run_at(25.0)), (None, 5.0), "times of before are not known");
        let timed = learned.clone().with_step(Some(0.2));
        // Four steps of 0.2 s, which are 20 of 40 ms.
        assert!((timed.run_at(5.0) - 5.0).abs() < 1e-9 && (timed.run_at(25.0) - 21.0).abs() < 1e-9);
        assert!(timed.is_sane() && !Calibration { step: Some(f64::NAN), ..timed.clone() }.is_sane());
        for step in [0.0, -1.0, f64::INFINITY] {
            assert_eq!(learned.clone().with_step(Some(step)).step, None);
        }
        // Of two streams the one whose frames are high for longer counts; files of before have no step.
        let faster = Calibration { run: 9.0, step: Some(0.04), ..learned.clone() };
        for (one, other) in [(&timed, &faster), (&faster, &timed)] {
            let joined = one.joined(other);
            assert_eq!((joined.run, joined.step), (5.0, Some(0.2)));
        }
        assert!(!serde_json::to_string(&learned).unwrap().contains("step"));
        let read: Calibration = serde_json::from_str(&serde_json::to_string(&timed).unwrap()).unwrap();
        assert_eq!(read, timed);
    }

    #[test]
    fn half_way_lies_between_good_frames_and_the_threshold() {
        let calibration = Calibration::new("x", true, &[1.0; 5], &[1.0; 5]).unwrap();
        let threshold = calibration.score(4.0);
        assert!((calibration.half_way(threshold) - calibration.score(2.0)).abs() < 1e-9);
        for low in [0.0, calibration.score(0.5), 1.0] {
            assert!(calibration.half_way(low) <= low);
        }
        assert_eq!(Calibration::assumed("x", 1.0).half_way(0.5), 0.5);
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
