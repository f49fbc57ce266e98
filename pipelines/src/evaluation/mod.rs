//! What an evaluation found. The JSON file (`json`) and the page ([`crate::report`]) are made of it.

pub(crate) mod figures;
pub(crate) mod json;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use snarm_core::detect::{Detection, Detector, Verdict};
use snarm_core::light::Reason;
use snarm_core::metrics::Curve;

use self::figures::Figures;

/// A whole evaluation.
pub(crate) struct Evaluation {
    /// The data set as it was given.
    pub(crate) data: String,
    /// Name of the setting.
    pub(crate) setting: &'static str,
    /// Options that change figures: name and value.
    pub(crate) options: Vec<(&'static str, Value)>,
    /// Name and digest of the encoder, and side of its input.
    pub(crate) encoder: (String, String, usize),
    /// AUPRO ends at this false-positive rate.
    pub(crate) limit: f64,
    /// In the order in which they were evaluated.
    pub(crate) categories: Vec<Category>,
}

impl Evaluation {
    /// The mean of each figure over the categories that have it.
    pub(crate) fn mean(&self) -> Figures {
        Figures::mean(self.categories.iter().map(|category| &category.figures))
    }

    /// Verdicts over the images of all categories.
    pub(crate) fn verdicts(&self) -> Verdicts {
        Verdicts::of(self.categories.iter().flat_map(|category| &category.images))
    }
}

/// One category.
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) bank: BankFacts,
    pub(crate) images: Vec<ImageResult>,
    pub(crate) pixels: PixelCounts,
    pub(crate) figures: Figures,
    /// Image score with the best F1, and pixel score.
    pub(crate) best_thresholds: [Option<f64>; 2],
    pub(crate) image_curve: Curve,
    /// Empty without masks.
    pub(crate) pixel_curve: Curve,
    pub(crate) times: Times,
}

impl Category {
    /// Kinds of test image in order, good ones first, with the images of each.
    pub(crate) fn kinds(&self) -> Vec<(&str, Vec<&ImageResult>)> {
        let mut kinds: Vec<(&str, Vec<&ImageResult>)> = Vec::new();
        for image in &self.images {
            match kinds.iter_mut().find(|(kind, _)| *kind == image.kind) {
                Some((_, images)) => images.push(image),
                None => kinds.push((&image.kind, vec![image])),
            }
        }
        kinds.sort_by_key(|(kind, images)| (images.iter().any(|image| image.anomalous), kind.to_owned()));
        kinds
    }
}

/// What the images were compared with.
pub(crate) struct BankFacts {
    pub(crate) digest: String,
    pub(crate) vectors: usize,
    pub(crate) frames: usize,
    /// Frames among them that are copies of others.
    pub(crate) copies: usize,
    /// What makes raw scores: `training-free`, or a decoder.
    pub(crate) scorer: String,
    /// The decoder's digest, and what it says of its training.
    pub(crate) decoder: Option<Value>,
    pub(crate) threshold: f64,
    pub(crate) pixel_threshold: f64,
}

impl BankFacts {
    pub(crate) fn of(detector: &Detector) -> Self {
        let (bank, good) = (detector.bank(), detector.calibration());
        Self {
            digest: bank.digest().to_owned(),
            vectors: bank.vectors(),
            frames: bank.frames(),
            copies: bank.header().copies,
            scorer: good.scorer.clone(),
            decoder: detector.decoder().map(|decoder| {
                let learned = decoder.provenance();
                json!({
                    "digest": decoder.digest(),
                    "trained_on": learned.map(|from| &from.categories),
                    "steps": learned.map(|from| from.steps),
                })
            }),
            threshold: good.threshold,
            pixel_threshold: good.pixel_threshold,
        }
    }
}

/// One scored image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImageResult {
    /// Path from the data set on.
    pub(crate) path: String,
    pub(crate) kind: String,
    /// Whether it shows a defect.
    pub(crate) anomalous: bool,
    /// Whether its pixels counted.
    pub(crate) pixels: bool,
    /// 0..1; the bank's own threshold lies at 0.5.
    pub(crate) score: f64,
    pub(crate) raw_score: f64,
    /// Highest pixel score.
    pub(crate) score_max: f64,
    /// What the score means by the bank's threshold.
    pub(crate) verdict: Verdict,
    /// Why it has no verdict.
    pub(crate) reason: Option<Reason>,
}

impl ImageResult {
    /// Whether the score reached the bank's threshold.
    pub(crate) fn called(&self) -> bool {
        self.verdict.is_anomalous()
    }

    /// What came of it: `hit`, `miss`, `false alarm` or `pass`.
    pub(crate) fn outcome(&self) -> &'static str {
        match (self.anomalous, self.called()) {
            (true, true) => "hit",
            (true, false) => "miss",
            (false, true) => "false alarm",
            (false, false) => "pass",
        }
    }
}

/// Pixels that counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PixelCounts {
    pub(crate) maps: u64,
    pub(crate) normal: u64,
    pub(crate) anomalous: u64,
    pub(crate) regions: u64,
}

/// Images by truth and verdict at the bank's threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Verdicts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) false_alarms: u64,
    pub(crate) passes: u64,
    /// Of the misses and passes, those that a lower threshold makes uncertain.
    pub(crate) uncertain: u64,
    /// Of the misses and passes, those that could not be judged.
    pub(crate) unknown: u64,
}

impl Verdicts {
    pub(crate) fn of<'a>(images: impl IntoIterator<Item = &'a ImageResult>) -> Self {
        let mut verdicts = Self::default();
        for image in images {
            verdicts.uncertain += u64::from(image.verdict == Verdict::Uncertain);
            verdicts.unknown += u64::from(image.verdict == Verdict::Unknown);
            match (image.anomalous, image.called()) {
                (true, true) => verdicts.hits += 1,
                (true, false) => verdicts.misses += 1,
                (false, true) => verdicts.false_alarms += 1,
                (false, false) => verdicts.passes += 1,
            }
        }
        verdicts
    }

    /// Part of what was called anomalous that is so.
    pub(crate) fn precision(self) -> Option<f64> {
        part(self.hits, self.hits + self.false_alarms)
    }

    /// Part of the defective images that was found.
    pub(crate) fn recall(self) -> Option<f64> {
        part(self.hits, self.hits + self.misses)
    }

    /// Part of the good images that was called anomalous.
    pub(crate) fn false_alarm_rate(self) -> Option<f64> {
        part(self.false_alarms, self.false_alarms + self.passes)
    }

    /// Harmonic mean of precision and recall.
    pub(crate) fn f1(self) -> Option<f64> {
        part(2 * self.hits, 2 * self.hits + self.misses + self.false_alarms)
    }
}

fn part(n: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| n as f64 / of as f64)
}

/// Frames that were looked at and have no verdict, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unjudged(BTreeMap<&'static str, usize>);

impl Unjudged {
    pub(crate) fn add(&mut self, reason: Option<Reason>) {
        *self.0.entry(reason.map_or("unknown", Reason::name)).or_default() += 1;
    }

    pub(crate) fn count(&self) -> usize {
        self.0.values().sum()
    }
}

/// How many, and how many for which reason.
impl fmt::Display for Unjudged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.0.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        write!(f, "{} not judged ({})", self.count(), reasons.join(", "))
    }
}

/// Wall-clock time, summed over the test images.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// To learn the bank; where categories share one, the first has it all.
    pub(crate) learn: Duration,
    /// Stage names and sums.
    pub(crate) stages: Vec<(&'static str, Duration)>,
    pub(crate) images: u32,
}

impl Times {
    pub(crate) fn add(&mut self, found: &Detection) {
        if self.stages.is_empty() {
            self.stages.extend(found.times.stages().iter().map(|(name, _)| (*name, Duration::ZERO)));
        }
        for ((_, sum), (_, time)) in self.stages.iter_mut().zip(found.times.stages()) {
            *sum += *time;
        }
        self.images += 1;
    }

    /// Mean milliseconds of each stage.
    pub(crate) fn milliseconds(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let images = f64::from(self.images.max(1));
        self.stages.iter().map(move |(name, sum)| (*name, sum.as_secs_f64() * 1e3 / images))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_without_a_kind_have_no_rate() {
        let image = |anomalous, called: bool| ImageResult {
            path: String::new(),
            kind: String::new(),
            anomalous,
            pixels: false,
            score: 0.0,
            raw_score: 0.0,
            score_max: 0.0,
            verdict: if called { Verdict::Anomalous } else { Verdict::Uncertain },
            reason: None,
        };
        let images = [(true, true), (true, false), (true, true), (false, true)].map(|(a, c)| image(a, c));
        let verdicts = Verdicts::of(&images);
        assert_eq!((verdicts.precision(), verdicts.recall()), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert_eq!((verdicts.false_alarm_rate(), verdicts.f1()), (Some(1.0), Some(2.0 / 3.0)));
        assert_eq!(Verdicts::of(&images[..3]).false_alarm_rate(), None);
        assert_eq!((verdicts.uncertain, verdicts.unknown), (1, 0));
        assert_eq!(images.map(|image| image.outcome()), ["hit", "miss", "hit", "false alarm"]);
    }

    #[test]
    fn frames_without_a_verdict_are_told_with_their_reasons() {
        let mut unjudged = Unjudged::default();
        assert_eq!(unjudged.count(), 0);
        for reason in [Some(Reason::TooDark), None, Some(Reason::Blurred), Some(Reason::TooDark)] {
            unjudged.add(reason);
        }
        assert_eq!(unjudged.to_string(), "4 not judged (1 blurred, 2 too-dark, 1 unknown)");
    }
}
