//! Thresholds from the score distribution of good frames: as many standard deviations above the median as asked for, or
//! such that a new good frame passes with a given probability.
//!
//! Both look at logarithms of raw scores, which for s = x^2 / (1 + x^2) are ln x = logit(s) / 2: raw scores are
//! distances, and their logarithms are nearly symmetric.

use super::Calibration;
use super::calibration::spread;

/// Excesses over the point where the tail begins, as a multiple of the square root of the number of frames.
const EXCESSES: f64 = 1.5;

/// The shape of tails that is assumed before any is seen. Logarithms of image scores are nearly normal, and the tail of a
/// normal distribution above its highest tenth has about this shape.
const USUAL_SHAPE: f64 = -0.1;

/// The excesses that count as much as [`USUAL_SHAPE`]: a dozen of them say next to nothing of a shape.
const SHAPE_PRIOR: f64 = 25.0;

/// The largest size of an estimated shape.
const LARGEST_SHAPE: f64 = 0.5;

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
    /// Where the k = 1.5 sqrt(n) highest of n logarithms have not begun, this is an order statistic, interpolated: exact for
    /// any distribution. Above, it is the quantile of a generalised Pareto distribution of their excesses (Pickands 1975;
    /// Coles 2001, chapter 4): one odd frame among the learned ones moves it a little, and is not the least
    /// that it can be. Few frames give a high threshold: that is how little they tell. docs/accuracy.md has a table of the
    /// rates that come of it. The bank's own threshold where fewer than two frames were scored.
    pub fn threshold_at_fpr(&self, fpr: f64) -> f64 {
        let Some(logs) = self.logs() else { return self.threshold };
        let tail = Tail::of(&logs);
        if fpr < tail.part {
            return score(tail.quantile(fpr.max(f64::MIN_POSITIVE)));
        }
        let n = logs.len();
        let rank = ((n as f64 + 1.0) * (1.0 - fpr)).clamp(1.0, n as f64);
        let (below, part) = (rank.floor() as usize, rank.fract());
        let low = logs.get(below - 1).copied().unwrap_or(f64::MIN);
        let high = logs.get(below).copied().unwrap_or(low);
        score(low + part * (high - low))
    }

    /// The score that new good frames, `rate` of them a second, reach in so many separate alarms an hour: frames that are
    /// high together are one alarm.
    pub fn threshold_at_events(&self, per_hour: f64, rate: f64) -> f64 {
        let frames = 3600.0 * rate.max(f64::MIN_POSITIVE);
        self.threshold_at_fpr((per_hour * self.run / frames).clamp(f64::MIN_POSITIVE, 0.5))
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

/// The highest of some numbers: P(y > start + x) = part (1 + shape x / scale)^(-1 / shape).
#[derive(Debug, Clone, Copy)]
struct Tail {
    start: f64,
    /// The part of all numbers that lies above the start.
    part: f64,
    scale: f64,
    shape: f64,
}

impl Tail {
    /// That of at least two ascending numbers.
    ///
    /// The shape is estimated by probability-weighted moments (Hosking and Wallis 1987), with a weight of k against
    /// [`SHAPE_PRIOR`] for [`USUAL_SHAPE`]; the scale is the one with which the mean excess is the one seen. A mean of k
    /// excesses is uncertain by 1 / sqrt(k), which makes the tail of what comes heavier: its shape is larger by 1 / k, as
    /// is exact for exponential tails.
    fn of(sorted: &[f64]) -> Self {
        let n = sorted.len();
        let k = ((EXCESSES * (n as f64).sqrt()).round() as usize).clamp(1, n - 1);
        let (below, above) = sorted.split_at(n - k);
        let start = below.last().copied().unwrap_or(f64::MIN);
        let count = k as f64;
        let mean = above.iter().map(|y| y - start).sum::<f64>() / count;
        // The mean of excesses, each times the part of them that lies above it.
        let weighted = |(i, y): (usize, &f64)| (y - start) * (1.0 - (i as f64 + 0.65) / count);
        let second = above.iter().enumerate().map(weighted).sum::<f64>() / count;
        let apart = mean - 2.0 * second;
        let seen = if apart > 0.0 { 2.0 - mean / apart } else { LARGEST_SHAPE };
        let seen = seen.clamp(-LARGEST_SHAPE, LARGEST_SHAPE);
        let shape = (count * seen + SHAPE_PRIOR * USUAL_SHAPE) / (count + SHAPE_PRIOR);
        let part = (count + 1.0) / (n as f64 + 1.0);
        Self { start, part, scale: mean * (1.0 - shape), shape: shape + 1.0 / count }
    }

    /// The number that a new one exceeds with probability `p`, at most `part`.
    fn quantile(&self, p: f64) -> f64 {
        let log = (self.part / p).ln();
        let excess = if self.shape.abs() < 1e-9 { log } else { (self.shape * log).exp_m1() / self.shape };
        self.start + self.scale * excess
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

    fn logistic(rng: &mut ChaCha8Rng) -> f64 {
        let u: f64 = rng.random_range(1e-12..1.0);
        (u / (1.0 - u)).ln()
    }

    /// Box and Muller's.
    fn normal(rng: &mut ChaCha8Rng) -> f64 {
        let radius = (2.0 * exponential(rng)).sqrt();
        radius * (2.0 * std::f64::consts::PI * rng.random::<f64>()).cos()
    }

    /// P(y > x) of a standard normal distribution (Abramowitz and Stegun 26.2.17, error below 1e-7).
    fn above(x: f64) -> f64 {
        let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
        let series = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
        let sum: f64 = series.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
        let beyond = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum;
        if x < 0.0 { 1.0 - beyond } else { beyond }
    }

    /// Prints the table of docs/accuracy.md, too.
    #[test]
    fn the_false_alarms_of_new_frames_are_those_asked_for() {
        let mut broken = Vec::new();
        for fpr in [0.1, 0.05, 0.01, 0.001] {
            for n in [8, 16, 64, 256, 1000] {
                // Where the frames do not reach, the tail is extrapolated, from eight frames on guessed.
                let beyond = fpr * (n as f64) < 1.0;
                let most = |within: f64, beyond_them: f64| match beyond {
                    true if n < 16 => 1.5 * beyond_them,
                    true => beyond_them,
                    false => within,
                };
                // Normal logarithms, as those of scores nearly are; logistic and exponential ones, whose tails are heavier;
                // and even ones, which end.
                let found = [
                    (realised(fpr, n, normal, above), most(1.3, 1.3)),
                    (realised(fpr, n, logistic, |x| 1.0 / (1.0 + x.exp())), most(1.3, 2.3)),
                    (realised(fpr, n, exponential, |x| (-x).exp().min(1.0)), most(1.4, 3.5)),
                    (realised(fpr, n, |rng| rng.random(), |x| (1.0 - x).clamp(0.0, 1.0)), most(1.3, 1.3)),
                ];
                let times = found.map(|(rate, _)| format!("{:.2}", rate / fpr)).join(" | ");
                println!("| {fpr} | {n} | {times} |");
                let too_many = found.iter().position(|(rate, most)| *rate > most * fpr);
                broken.extend(too_many.map(|column| (fpr, n, column)));
            }
        }
        assert!(broken.is_empty(), "more false alarms than asked for: {broken:?}");
    }

    /// The threshold as a logarithm, as a median over calibrations of `n` normal logarithms.
    fn usual_threshold(fpr: f64, n: usize) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut found: Vec<f64> = (0..200)
            .map(|_| {
                let calibration = calibration((0..n).map(|_| normal(&mut rng)).collect());
                let threshold = calibration.threshold_at_fpr(fpr);
                0.5 * (threshold / (1.0 - threshold)).ln() + calibration.reference.ln()
            })
            .collect();
        found.sort_by(f64::total_cmp);
        found[100]
    }

    #[test]
    fn the_threshold_is_not_blind_where_the_frames_do_not_ask_for_it() {
        // One in a thousand normal numbers lies above 3.09, one in a hundred above 2.33.
        for (fpr, n, most) in [(0.001, 64, 4.0), (0.001, 256, 3.5), (0.01, 16, 3.7), (0.01, 64, 2.8)] {
            let found = usual_threshold(fpr, n);
            assert!(found < most, "{n} frames, {fpr}: {found}");
        }
    }

    #[test]
    fn one_odd_frame_among_the_learned_ones_does_not_make_the_threshold_its_score() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut logs: Vec<f64> = (0..100).map(|_| normal(&mut rng)).collect();
        let without = calibration(logs.clone()).threshold_at_fpr(0.01);
        logs.push(30.0);
        let with = calibration(logs);
        let raw = |score: f64| 0.5 * (score / (1.0 - score)).ln();
        let (found, odd) = (raw(with.threshold_at_fpr(0.01)) + with.reference.ln(), 30.0);
        assert!(found < 0.7 * odd && with.threshold_at_fpr(0.01) < with.max, "{found} {without}");
    }

    #[test]
    fn the_threshold_rises_as_fewer_false_alarms_are_asked_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let calibration = calibration((0..20).map(|_| 0.1 * exponential(&mut rng)).collect());
        let rates = [0.5, 0.2, 0.06, 0.04, 1e-2, 1e-4, 1e-8];
        let thresholds = rates.map(|fpr| calibration.threshold_at_fpr(fpr));
        assert!(thresholds.is_sorted_by(|a, b| a < b), "{thresholds:?}");
        assert!(thresholds[5] > calibration.max && thresholds[6] < 1.0, "{thresholds:?}");
    }

    #[test]
    fn alarms_an_hour_are_frames_with_that_probability() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let calibration = calibration((0..40).map(|_| 0.1 * normal(&mut rng)).collect());
        let found = calibration.threshold_at_events(36.0, 10.0);
        assert_eq!(found, calibration.threshold_at_fpr(0.001));
        let together = Calibration { run: 4.0, ..calibration.clone() };
        assert_eq!(together.threshold_at_events(36.0, 10.0), calibration.threshold_at_fpr(0.004));
        for (per_hour, rate) in [(1e9, 1.0), (1e-9, 1e4), (1.0, 0.0)] {
            assert!((0.0..=1.0).contains(&calibration.threshold_at_events(per_hour, rate)));
        }
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
