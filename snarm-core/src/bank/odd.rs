//! Frames among the good ones that are unlike the rest: a defect that nobody saw, a hand, the moment before the light came
//! on.

use super::calibration::{LEAST, spread};
use super::origin::Origin;

/// Standard deviations above the median from which a frame is odd. Of normal logarithms one in 30,000 lies above.
const ODD: f64 = 4.0;

/// A learned frame that is unlike the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct OddFrame {
    /// Its number among the learned frames, from 0.
    pub frame: usize,
    /// Where it comes from, as far as that was said, see [`super::BankBuilder::add_from`].
    pub origin: Option<Origin>,
    /// Standard deviations that the logarithm of its raw image score lies above the median.
    pub sigmas: f64,
}

/// The standard deviations of each frame above the median, by the scorer that finds it oddest: `scores` are the raw image
/// scores of the same frames by one scorer each. 0 for frames that are not odd.
pub(super) fn sigmas(scores: &[&[f64]]) -> Vec<f64> {
    let frames = scores.iter().map(|scores| scores.len()).min().unwrap_or_default();
    let mut highest = vec![0.0_f64; frames];
    for scores in scores {
        let logs: Vec<f64> = scores.iter().map(|raw| raw.max(LEAST).ln()).collect();
        let mut sorted = logs.clone();
        sorted.sort_by(f64::total_cmp);
        let (median, std) = spread(&sorted);
        for (highest, log) in highest.iter_mut().zip(logs) {
            let sigmas = (log - median) / std;
            if sigmas >= ODD {
                *highest = highest.max(sigmas);
            }
        }
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_far_above_the_rest_are_odd_for_any_scorer() {
        let mut scores: Vec<f64> = (0..40).map(|i| 1.0 + 0.01 * f64::from(i)).collect();
        scores[7] = 3.0;
        let mut others = scores.clone();
        (others[7], others[9]) = (1.2, 5.0);
        let found = sigmas(&[&scores, &others]);
        let odd: Vec<usize> = (0..40).filter(|at| found[*at] > 0.0).collect();
        assert_eq!(odd, [7, 9]);
        assert!(found[9] > found[7] && found[7] >= ODD, "{} {}", found[7], found[9]);
    }

    #[test]
    fn few_frames_and_low_scores_are_not_odd() {
        // Two frames say nothing of each other.
        assert_eq!(sigmas(&[&[1.0, 2.0]]), [0.0, 0.0]);
        let mut scores = vec![1.0; 30];
        (scores[3], scores[4]) = (1e-6, 0.0);
        assert!(sigmas(&[&scores]).iter().all(|sigmas| *sigmas == 0.0));
        assert!(sigmas(&[]).is_empty());
    }
}
