//! Thresholds from the score distribution of good frames: as many standard deviations above the median as asked for, or
//! such that a new good frame passes with a given probability.
//!
//! Both look at logarithms of raw scores, which for s = x^2 / (1 + x^2) are ln x = logit(s) / 2: raw scores are
//! distances, and their logarithms are nearly symmetric.

use super::Calibration;
use super::calibration::spread;

/// Excesses over the point where the tail is taken to begin, as a multiple of the square root of the number of frames.
const EXCESSES: f64 = 1.5;

impl Calibration {
    /// The score `sigma` standard deviations above the median of good frames, both of logarithms and such that a few odd
    /// frames change little; the fewer frames, the higher. The bank's own threshold where fewer than two were scored.
    pub fn threshold_at_sigma(&self, sigma: f64) -> f64 {
        let Some(logs) = self.logs() else { return self.threshold };
        let (median, std) = spread(&logs);
        score(median + sigma * std)
    }

    /// The score that a new good frame reaches with probability `fpr`.
    ///
    /// Down to 1 in n + 1 (n frames were scored) this is an order statistic, interpolated: exact for any distribution.
    /// Below that the tail is extrapolated: the k = 1.5 sqrt(n) highest logarithms are taken to exceed the next one, u,
    /// exponentially, with their mean excess b. As b is an estimate itself, the predictive tail is
    /// P(log > u + x) = (k + 1/2) / (n + 1) (1 + x / (k b))^-k, and x is where that is `fpr`. Never less than the highest
    /// score seen. Few frames therefore give a high threshold: that is how little they tell. The bank's own threshold
    /// where fewer than two frames were scored.
    pub fn threshold_at_fpr(&self, fpr: f64) -> f64 {
        let Some(logs) = self.logs() else { return self.threshold };
        let n = logs.len();
        let rank = (n as f64 + 1.0) * (1.0 - fpr);
        if rank <= n as f64 {
            let (below, part) = ((rank.floor() as usize).max(1), rank.fract());
            let low = logs.get(below - 1).copied().unwrap_or(f64::MIN);
            let high = logs.get(below).copied().unwrap_or(low);
            return score(low + part * (high - low));
        }
        let k = ((EXCESSES * (n as f64).sqrt()).round() as usize).clamp(1, n - 1);
        let (below, excesses) = logs.split_at(n - k);
        let start = below.last().copied().unwrap_or(f64::MIN);
        let mean = excesses.iter().map(|log| log - start).sum::<f64>() / k as f64;
        let (k, highest) = (k as f64, excesses.last().copied().unwrap_or(start));
        let beginning = (k + 0.5) / (n as f64 + 1.0);
        let excess = k * mean * ((beginning / fpr.max(f64::MIN_POSITIVE)).powf(1.0 / k) - 1.0);
        score((start + excess).max(highest))
    }

    /// Logarithms of the raw scores over the reference, ascending; `None` for fewer than two.
    fn logs(&self) -> Option<Vec<f64>> {
        let log = |score: &f64| {
            let score = score.clamp(1e-24, 1.0 - 1e-12);
            0.5 * (score / (1.0 - score)).ln()
        };
        (self.scores.len() >= 2).then(|| self.scores.iter().map(log).collect())
    }
}

/// The 0..1 score of a logarithm.
fn score(log: f64) -> f64 {
    1.0 / (1.0 + (-2.0 * log).exp())
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A calibration whose raw scores have these logarithms.
    fn calibration(mut logs: Vec<f64>) -> Calibration {
        logs.sort_by(f64::total_cmp);
        let raws: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        Calibration::new("x", true, &raws, &raws).unwrap()
    }

    /// How often logarithms drawn by `draw` pass the threshold for `fpr` from `n` of them, over `trials` calibrations;
    /// `tail` is the distribution's own.
    fn realised(fpr: f64, n: usize, draw: impl Fn(&mut ChaCha8Rng) -> f64, tail: impl Fn(f64) -> f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let trials = 400;
        let passed: f64 = (0..trials)
            .map(|_| {
                let calibration = calibration((0..n).map(|_| draw(&mut rng)).collect());
                let threshold = calibration.threshold_at_fpr(fpr);
                let log = 0.5 * (threshold / (1.0 - threshold)).ln() + calibration.reference.ln();
                tail(log)
            })
            .sum();
        passed / f64::from(trials)
    }

    fn exponential(rng: &mut ChaCha8Rng) -> f64 {
        -(1.0 - rng.random::<f64>()).ln()
    }

    #[test]
    fn the_false_alarms_of_new_frames_are_those_asked_for() {
        for n in [6, 12, 30, 64] {
            for fpr in [0.1, 0.02, 0.001] {
                // Exponential logarithms are a heavy tail of raw scores, as heavy as the extrapolation assumes.
                let heavy = realised(fpr, n, exponential, |x| (-x).exp()) / fpr;
                assert!((0.5..2.6).contains(&heavy), "exponential, {n} frames, {fpr}: {heavy}");
                // Logistic ones fall off as fast in the tail, but begin late.
                let logistic = |rng: &mut ChaCha8Rng| {
                    let u: f64 = rng.random_range(1e-12..1.0);
                    (u / (1.0 - u)).ln()
                };
                let usual = realised(fpr, n, logistic, |x| 1.0 / (1.0 + x.exp())) / fpr;
                assert!(usual < 1.6, "logistic, {n} frames, {fpr}: {usual}");
                // Bounded ones must not be let through more often either.
                let bounded = realised(fpr, n, |rng| rng.random(), |x| (1.0 - x).clamp(0.0, 1.0)) / fpr;
                assert!(bounded < 1.3, "uniform, {n} frames, {fpr}: {bounded}");
            }
        }
    }

    #[test]
    fn the_threshold_rises_as_fewer_false_alarms_are_asked_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let calibration = calibration((0..20).map(|_| 0.1 * exponential(&mut rng)).collect());
        let rates = [0.5, 0.2, 0.06, 0.04, 1e-2, 1e-4, 1e-8];
        let thresholds = rates.map(|fpr| calibration.threshold_at_fpr(fpr));
        assert!(thresholds.is_sorted_by(|a, b| a < b), "{thresholds:?}");
        assert!(thresholds[4] > calibration.max && thresholds[6] < 1.0, "{thresholds:?}");
    }

    #[test]
    fn sigma_counts_standard_deviations_of_logarithms() {
        // Median 0, median absolute deviation 0.5, and the widening for three frames.
        let calibration = calibration(vec![-0.5, 0.0, 3.0]);
        let std = 1.4826 * 0.5 * 1.625;
        for sigma in [0.0, 1.0, 3.0] {
            let threshold = calibration.threshold_at_sigma(sigma);
            let log = 0.5 * (threshold / (1.0 - threshold)).ln() + calibration.reference.ln();
            assert!((log - std * sigma).abs() < 1e-9, "{sigma}: {log}");
        }
        assert!((calibration.threshold_at_sigma(2.0) - calibration.threshold).abs() < 1e-9);
    }

    #[test]
    fn still_pictures_and_single_frames_have_a_threshold_too() {
        let still = Calibration::new("x", true, &[0.0; 4], &[0.0; 4]).unwrap();
        let single = Calibration::new("x", true, &[1.0], &[1.0]).unwrap();
        for calibration in [still, single] {
            for threshold in [calibration.threshold_at_fpr(0.001), calibration.threshold_at_sigma(3.0)] {
                assert!((0.0..=1.0).contains(&threshold), "{threshold}");
            }
        }
        assert_eq!(Calibration::new("x", true, &[1.0], &[1.0]).unwrap().threshold_at_fpr(0.01), 0.5);
    }
}
