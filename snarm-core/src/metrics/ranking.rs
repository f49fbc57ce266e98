//! Scores in order, with the counts that every metric is made of.

use crate::error::{Error, Result};

/// Scored samples as they come in, at four bytes a sample: the label is the list that a score lies in.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    positive: Vec<f32>,
    negative: Vec<f32>,
}

impl Samples {
    /// No samples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one sample; `positive` means anomalous.
    pub fn push(&mut self, score: f32, positive: bool) {
        // Adding zero makes one zero of the two, which must tie.
        if positive { self.positive.push(score + 0.0) } else { self.negative.push(score + 0.0) }
    }

    /// Adds samples one by one.
    pub fn extend(&mut self, samples: impl IntoIterator<Item = (f32, bool)>) {
        for (score, positive) in samples {
            self.push(score, positive);
        }
    }

    /// Number of anomalous samples.
    pub fn positives(&self) -> usize {
        self.positive.len()
    }

    /// Number of normal samples.
    pub fn negatives(&self) -> usize {
        self.negative.len()
    }

    /// Sorts the samples, in place.
    ///
    /// # Errors
    /// When a score is not a number: it has no place in an order.
    pub fn rank(mut self) -> Result<Ranking> {
        let nan = self.positive.iter().chain(&self.negative).filter(|score| score.is_nan()).count();
        if nan > 0 {
            return Err(Error::Values {
                what: "scores to rank",
                expected: "numbers".into(),
                found: format!("{nan} that are not a number"),
            });
        }
        for scores in [&mut self.positive, &mut self.negative] {
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
        }
        Ok(Ranking { positive: self.positive, negative: self.negative })
    }
}

/// Samples in the order of falling scores.
#[derive(Debug, Clone)]
pub struct Ranking {
    positive: Vec<f32>,
    negative: Vec<f32>,
}

/// What is found when every sample from `threshold` on is called anomalous.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// A score that occurs.
    pub threshold: f32,
    /// Anomalous samples found.
    pub true_positives: u64,
    /// Normal samples called anomalous.
    pub false_positives: u64,
}

impl Step {
    /// Part of what is called anomalous that is so.
    pub fn precision(&self) -> f64 {
        self.true_positives as f64 / (self.true_positives + self.false_positives) as f64
    }
}

impl Ranking {
    /// Number of anomalous samples.
    pub fn positives(&self) -> u64 {
        self.positive.len() as u64
    }

    /// Number of normal samples.
    pub fn negatives(&self) -> u64 {
        self.negative.len() as u64
    }

    /// One step for each distinct score, highest first. The last step finds everything.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let (mut tp, mut fp) = (0, 0);
        std::iter::from_fn(move || {
            let heads = [self.positive.get(tp), self.negative.get(fp)];
            let threshold = heads.into_iter().flatten().copied().max_by(f32::total_cmp)?;
            tp += run_length(&self.positive[tp..], threshold);
            fp += run_length(&self.negative[fp..], threshold);
            Some(Step { threshold, true_positives: tp as u64, false_positives: fp as u64 })
        })
    }
}

/// How many of the falling `scores` equal `threshold`, from the first on.
fn run_length(scores: &[f32], threshold: f32) -> usize {
    scores.iter().take_while(|&&score| score == threshold).count()
}
