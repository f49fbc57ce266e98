//! Thresholds from the score distribution of good frames: as many standard deviations above the median as asked for, or
//! such that a new good frame passes with a given probability.
//!
//! Both look at logarithms of raw scores, which for s = x^2 / (1 + x^2) are ln x = logit(s) / 2: raw scores are
//! distances, and their logarithms are nearly symmetric.

use super::Calibration;
use super::beta;
use super::calibration::{Prior, spread};
use super::promise::Promise;

/// Excesses over the point where the tail begins, as a multiple of the square root of the number of frames.
const EXCESSES: f64 = 1.5;

/// The shape of tails that is assumed before any is seen. Logarithms of image scores are nearly normal, and the tail of a
/// normal distribution above its highest tenth has about this shape.
const USUAL_SHAPE: f64 = -0.1;

/// How far shapes usually lie from that: a logistic or an exponential tail has 0.
const SHAPES_APART: f64 = 0.1;

/// The excesses that count as much as [`USUAL_SHAPE`]: a dozen of them say next to nothing of a shape.
const SHAPE_PRIOR: f64 = 25.0;

/// The largest size of an estimated shape.
const LARGEST_SHAPE: f64 = 0.5;

/// A promise is kept in so many of all cases.
const SURE: f64 = 0.8;

/// The number that a normally distributed one lies below in [`SURE`] of all cases.
const SURE_SIGMAS: f64 = 0.841_621;

/// No limit is farther from the median than this times what it would be if scores had an exponential tail, in robust standard
/// deviations, unless learned frames are: beyond it nothing is found.
const FARTHEST: f64 = 1.5;

/// Robust standard deviation of a standard exponential distribution.
const EXPONENTIAL: f64 = 0.713_5;

/// Part of frames above four fifths of all that go on there by chance.
const BY_CHANCE: f64 = 0.2;

impl Calibration {
    /// The score `sigma` standard deviations above the median of good frames, both of logarithms and such that a few odd
    /// frames change little; the fewer frames, the higher. What a decoder knows counts beside them, by the score which that part of
    /// good frames of other products passes that lies so far above a normal distribution. The bank's own threshold where fewer than
    /// two frames were scored.
    pub fn threshold_at_sigma(&self, sigma: f64) -> f64 {
        let own = self.logs().map(|logs| {
            let (median, std) = spread(&logs);
            median + sigma * std
        });
        self.beside_prior(own, above(sigma))
    }

    /// The score that a new good frame reaches with probability `fpr` or less, in four of five cases.
    ///
    /// The part of all good frames above the rth highest of n is distributed by Beta(r, n + 1 - r), whatever the scores
    /// are: where the k = 1.5 sqrt(n) highest of n logarithms have not begun, the limit is the lowest of them for which that part
    /// is at most `fpr` in four of five cases. Above, it is the quantile of a generalised Pareto distribution of their
    /// excesses (Pickands 1975; Coles 2001, chapter 4), higher by what scale and shape may be wrong, and not farther than
    /// one and a half times an exponential tail: one odd frame among the learned ones moves it a little, and is not the least that
    /// it can be. Few frames give a high threshold: that is how little they tell. Frames of a stream that are high together count as fewer. What a
    /// decoder knows counts beside them, as in the bank's own threshold. docs/accuracy.md has a table of how often the promise is
    /// kept. The bank's own threshold where fewer than two frames were scored.
    pub fn threshold_at_fpr(&self, fpr: f64) -> f64 {
        let fpr = fpr.max(f64::MIN_POSITIVE);
        let own = self.logs().map(|logs| {
            let (median, std) = spread(&logs);
            let far = FARTHEST * ((1.0 / fpr).ln() - std::f64::consts::LN_2).max(0.0) / EXPONENTIAL * std;
            Tail::sure(&logs, self.own_counts()).limit(&logs, fpr, median + far)
        });
        self.beside_prior(own, fpr)
    }

    /// As [`Self::threshold_at_fpr`], with the range that the rate of false alarms lies in. `learned` is the number of good frames
    /// of the bank: views that took the place of frames say nothing.
    pub fn promise_at_fpr(&self, fpr: f64, learned: usize) -> Promise {
        self.promise(self.threshold_at_fpr(fpr), learned)
    }

    /// The score that new good frames, `rate` of them a second, reach in so many separate alarms an hour: frames that are
    /// high together are one alarm, for as long as they were while learning. Runs are counted above four fifths of all frames, and
    /// are shorter above a limit: about as long as the square root where scores change steadily.
    pub fn threshold_at_events(&self, per_hour: f64, rate: f64) -> f64 {
        let frames = 3600.0 * rate.max(f64::MIN_POSITIVE);
        let together = self.run_at(rate).sqrt();
        self.threshold_at_fpr((per_hour * together / frames).clamp(f64::MIN_POSITIVE, 0.5))
    }

    /// What a threshold promises, by the learned frames that reach it, beside which what a decoder knows counts as some. `learned` is
    /// as in [`Self::promise_at_fpr`].
    pub fn promise(&self, threshold: f64, learned: usize) -> Promise {
        let part = |scores: &[f64], limit: f64| {
            let reached = scores.iter().filter(|score| **score >= limit).count();
            reached as f64 / scores.len().max(1) as f64
        };
        let own = self.own_counts().min(learned as f64);
        let mut above = own * part(&self.scores, threshold);
        let mut frames = own;
        if let Some(prior) = &self.prior {
            frames += Prior::COUNTS;
            above += Prior::COUNTS * part(&prior.scores, score(log(threshold) - prior.higher()));
        }
        Promise::of(threshold, above, frames)
    }

    /// The scored frames, as many as they would be if none were like its neighbours: those of a stream that are high together say
    /// less. Above four fifths of all they are a chain that goes on with a probability that the length of its runs tells.
    fn own_counts(&self) -> f64 {
        let gone_on = 1.0 - 1.0 / self.run.max(1.0);
        let alike = ((gone_on - BY_CHANCE) / (1.0 - BY_CHANCE)).max(0.0);
        let frames = self.scores.len() as f64;
        (frames * (1.0 - alike) / (1.0 + alike)).max(frames.min(2.0))
    }

    /// The score of a limit, a logarithm over the reference, between the learned frames' own and what a decoder knows at that rate.
    fn beside_prior(&self, own: Option<f64>, fpr: f64) -> f64 {
        let known = self.prior.as_ref().filter(|prior| prior.scores.len() >= 2);
        let Some(prior) = known else { return own.map_or(self.threshold, score) };
        let logs: Vec<f64> = prior.scores.iter().copied().map(log).collect();
        let known = Tail::expected(&logs).limit(&logs, fpr.max(f64::MIN_POSITIVE), f64::INFINITY);
        let weight = prior.weight();
        score((1.0 - weight) * own.unwrap_or(0.0) + weight * (known + prior.higher()))
    }

    /// Logarithms of the raw scores over the reference, ascending; `None` for fewer than two.
    fn logs(&self) -> Option<Vec<f64>> {
        (self.scores.len() >= 2).then(|| self.scores.iter().copied().map(log).collect())
    }
}

/// The highest of some numbers: P(y > start + x) = rate (1 + shape x / scale)^(-1 / shape).
#[derive(Debug, Clone, Copy)]
struct Tail {
    /// Numbers that lie above the start.
    excesses: usize,
    start: f64,
    /// The part of all numbers that lies above the start.
    rate: f64,
    scale: f64,
    shape: f64,
    /// Share of the numbers that count, since others repeat them.
    counts: f64,
    /// Standard deviations of the logarithm of the scale, and of the shape; 0 where the tail is the one to expect.
    errors: [f64; 2],
}

impl Tail {
    /// That to expect of a new number, by at least two ascending ones.
    ///
    /// The shape is estimated by probability-weighted moments (Hosking and Wallis 1987), with a weight of k against
    /// [`SHAPE_PRIOR`] for [`USUAL_SHAPE`]; the scale is the one with which the mean excess is the one seen. A mean of k
    /// excesses is uncertain by 1 / sqrt(k), which makes the tail of what comes heavier: its shape is larger by 1 / k, as
    /// is exact for exponential tails.
    fn expected(sorted: &[f64]) -> Self {
        let tail = Self::seen(sorted, sorted.len() as f64);
        let count = tail.excesses as f64;
        let rate = (count + 1.0) / (sorted.len() as f64 + 1.0);
        Self { rate, shape: tail.shape + 1.0 / count, errors: [0.0; 2], ..tail }
    }

    /// That whose limits promise a rate in [`SURE`] of all cases, where so many of the numbers count.
    fn sure(sorted: &[f64], counts: f64) -> Self {
        let tail = Self::seen(sorted, counts);
        let rank = tail.excesses as f64 + 1.0;
        let rest = sorted.len() as f64 + 1.0 - rank;
        Self { rate: beta::quantile(rank * tail.counts, rest * tail.counts, SURE), ..tail }
    }

    /// With scale and shape as they are seen, and what they may be wrong by.
    fn seen(sorted: &[f64], counts: f64) -> Self {
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
        let counts = (counts / n as f64).clamp(f64::MIN_POSITIVE, 1.0);
        let own = (count * counts).max(1.0);
        let weight = own / (own + SHAPE_PRIOR);
        let shape = weight * seen + (1.0 - weight) * USUAL_SHAPE;
        let errors = [1.0 / own.sqrt(), weight / own.sqrt() + (1.0 - weight) * SHAPES_APART];
        Self { excesses: k, start, rate: 0.0, scale: mean * (1.0 - shape), shape, counts, errors }
    }

    /// The number that new ones exceed at a rate of `p` at most, by the ascending ones that this is the tail of. In the tail it is
    /// not beyond `farthest`, unless the tail begins there.
    fn limit(&self, sorted: &[f64], p: f64, farthest: f64) -> f64 {
        if p >= self.rate { self.among(sorted, p) } else { self.quantile(p).min(farthest.max(self.start)) }
    }

    /// The order statistic for a rate above that of the tail, interpolated.
    fn among(&self, sorted: &[f64], p: f64) -> f64 {
        let n = sorted.len() as f64;
        let rank = if self.errors == [0.0; 2] {
            (n + 1.0) * p
        } else {
            let is_kept =
                |rank: f64| beta::below(rank * self.counts, (n + 1.0 - rank) * self.counts, p) >= SURE;
            beta::halve((self.excesses as f64 + 1.0, n), is_kept)
        };
        let rank = rank.clamp(1.0, n);
        let at = |rank: f64| sorted.get((n - rank) as usize).copied().unwrap_or(f64::MIN);
        let (high, low) = (at(rank.floor()), at(rank.ceil()));
        high + rank.fract() * (low - high)
    }

    /// The number that a new one exceeds with probability `p`, at most that of the start; as sure as its errors allow.
    fn quantile(&self, p: f64) -> f64 {
        const STEP: f64 = 1e-4;
        let log = (self.rate / p).ln();
        let excess = |shape: f64| if shape.abs() < 1e-9 { log } else { (shape * log).exp_m1() / shape };
        let own = excess(self.shape);
        if own <= 0.0 {
            return self.start;
        }
        // How much the logarithm of the excess changes with the shape.
        let slope = (excess(self.shape + STEP) - excess(self.shape - STEP)) / (2.0 * STEP * own);
        let error = self.errors[0].hypot(slope * self.errors[1]);
        self.start + self.scale * own * (SURE_SIGMAS * error).exp()
    }
}

/// The 0..1 score of a logarithm.
fn score(log: f64) -> f64 {
    1.0 / (1.0 + (-2.0 * log).exp())
}

/// The logarithm of a 0..1 score.
fn log(score: f64) -> f64 {
    let score = score.clamp(1e-24, 1.0 - 1e-12);
    0.5 * (score / (1.0 - score)).ln()
}

/// P(y > x) of a standard normal distribution (Abramowitz and Stegun 26.2.17, error below 1e-7).
fn above(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum: f64 = series.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    let beyond = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum;
    if x < 0.0 { 1.0 - beyond } else { beyond }
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

    /// The logarithm of a threshold, as the scores' own were before they were brought to the reference.
    fn log_of(calibration: &Calibration, threshold: f64) -> f64 {
        log(threshold) + calibration.reference.ln()
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

    /// The distributions that promises are tried on: normal logarithms, as those of scores nearly are, logistic and exponential
    /// ones, whose tails are heavier, and normal ones of a stream whose neighbours have a correlation of 0.8.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Family {
        Normal,
        Logistic,
        Exponential,
        Stream,
    }

    const FAMILIES: [Family; 4] = [Family::Normal, Family::Logistic, Family::Exponential, Family::Stream];

    impl Family {
        /// The calibration by `n` frames.
        fn calibration(self, n: usize, rng: &mut ChaCha8Rng) -> Calibration {
            let alike = 0.8_f64;
            let mut last = normal(rng);
            let logs: Vec<f64> = (0..n)
                .map(|_| match self {
                    Self::Normal => normal(rng),
                    Self::Logistic => logistic(rng),
                    Self::Exponential => exponential(rng),
                    Self::Stream => {
                        last = alike * last + (1.0 - alike * alike).sqrt() * normal(rng);
                        last
                    }
                })
                .collect();
            if self != Self::Stream {
                return calibration(logs);
            }
            let raws: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
            let numbers: Vec<u32> = (0..n as u32).collect();
            Calibration::of_stream("x", &numbers, &raws, &raws).unwrap()
        }

        /// The part of all logarithms above one.
        fn tail(self, x: f64) -> f64 {
            match self {
                Self::Normal | Self::Stream => above(x),
                Self::Logistic => 1.0 / (1.0 + x.exp()),
                Self::Exponential => (-x).exp().min(1.0),
            }
        }

        /// For each rate that is asked for, in how many of so many banks of `n` frames new ones pass at that rate or less, and
        /// in how many the range that is told holds the true rate.
        fn kept<const N: usize>(self, asked: [f64; N], n: usize, trials: u32) -> [[f64; 2]; N] {
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            let mut kept = [[0.0; 2]; N];
            for _ in 0..trials {
                let calibration = self.calibration(n, &mut rng);
                for (fpr, kept) in asked.iter().zip(&mut kept) {
                    let promise = calibration.promise_at_fpr(*fpr, n);
                    let rate = self.tail(log_of(&calibration, promise.threshold));
                    kept[0] += f64::from(u8::from(rate <= *fpr)) / f64::from(trials);
                    let is_inside = (promise.rate_low..=promise.rate_high).contains(&rate);
                    kept[1] += f64::from(u8::from(is_inside)) / f64::from(trials);
                }
            }
            kept
        }
    }

    /// Prints the table of docs/accuracy.md: in how many of 2000 banks a promise is kept, and in how many its range holds.
    #[test]
    #[ignore = "a table to print: it takes a minute without optimisation"]
    fn table_of_promises() {
        let asked = [0.05, 0.01, 0.001];
        let sizes = [8, 16, 32, 64, 256, 1000];
        let found = sizes.map(|n| FAMILIES.map(|family| family.kept(asked, n, 2000)));
        for (i, fpr) in asked.iter().enumerate() {
            for (n, families) in sizes.iter().zip(&found) {
                let cells = families.map(|kept| format!("{:.2} ({:.2})", kept[i][0], kept[i][1])).join(" | ");
                println!("| {fpr} | {n} | {cells} |");
            }
        }
    }

    #[test]
    fn a_promise_is_kept_in_four_of_five_cases_where_frames_bear_it_out() {
        let asked = [0.05, 0.01, 0.001];
        for (n, trials) in [(8, 200), (64, 200), (256, 120)] {
            for family in FAMILIES {
                let kept = family.kept(asked, n, trials);
                for (fpr, [times, inside]) in asked.iter().zip(kept) {
                    // Of 120 cases the share is known to about 0.04. Eight frames do not tell a heavy tail from a light one,
                    // nor whether they are alike.
                    let least = match (n, family) {
                        (8, Family::Exponential | Family::Stream) => 0.45,
                        (_, Family::Exponential | Family::Stream) => 0.62,
                        _ => 0.7,
                    };
                    assert!(times >= least, "{family:?}, {n} frames, {fpr}: kept in {times}");
                    let least = if family == Family::Stream { 0.6 } else { 0.75 };
                    assert!(inside >= least, "{family:?}, {n} frames, {fpr}: the range holds in {inside}");
                }
            }
        }
    }

    #[test]
    fn a_promise_that_frames_bear_out_holds_for_any_distribution() {
        // Even numbers, which end, and cubes of logistic ones, whose tail no shape is near to.
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut kept = [0; 2];
        for _ in 0..150 {
            let even = calibration((0..1000).map(|_| rng.random()).collect());
            let rate = 1.0 - log_of(&even, even.threshold_at_fpr(0.08)).clamp(0.0, 1.0);
            kept[0] += u32::from(rate <= 0.08);
            let wide = calibration((0..1000).map(|_| 1e-3 * logistic(&mut rng).powi(3)).collect());
            let limit = (1e3 * log_of(&wide, wide.threshold_at_fpr(0.08))).cbrt();
            kept[1] += u32::from(1.0 / (1.0 + limit.exp()) <= 0.08);
        }
        assert!(kept.iter().all(|kept| (105..=140).contains(kept)), "{kept:?} of 150");
    }

    #[test]
    fn neighbours_that_are_alike_count_as_fewer_frames() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let stream = Family::Stream.calibration(1000, &mut rng);
        let single = Calibration { run: 1.0, ..stream.clone() };
        assert!((100.0..600.0).contains(&stream.own_counts()) && single.own_counts() == 1000.0);
        assert!(stream.threshold_at_fpr(0.05) > single.threshold_at_fpr(0.05));
        let [alike, apart] = [&stream, &single].map(|one| one.promise(0.5, 1000));
        assert!(alike.rate_high > apart.rate_high && alike.rate_low < apart.rate_low, "{alike:?} {apart:?}");
    }

    #[test]
    fn what_a_decoder_knows_counts_in_every_rule() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut drawn = |n: usize, by: f64| calibration((0..n).map(|_| by * normal(&mut rng)).collect());
        // The views of one picture are alike; frames of other products differ much.
        let (views, prior, many) = (drawn(22, 0.1), drawn(300, 0.5), drawn(1000, 0.1));
        let one = views.towards(&prior, 1);
        for fpr in [0.05, 0.01] {
            let [alone, beside, known] =
                [&views, &one, &prior].map(|one| log_of(one, one.threshold_at_fpr(fpr)));
            assert!(beside > alone && (beside - known).abs() < 0.5, "{fpr}: {alone} {beside} {known}");
        }
        let [alone, beside] = [&views, &one].map(|one| log_of(one, one.threshold_at_sigma(3.0)));
        assert!(beside > alone, "{alone} {beside}");
        let [alone, beside] = [&views, &one].map(|one| log_of(one, one.threshold_at_events(600.0, 1.0)));
        assert!(beside > alone, "{alone} {beside}");
        // The more frames are learned, the less it counts.
        let taught = many.towards(&prior, 1000);
        let [alone, beside] = [&many, &taught].map(|one| log_of(one, one.threshold_at_fpr(0.01)));
        assert!(beside > alone && beside - alone < 0.1, "{alone} {beside}");
        // One picture says next to nothing of others, a decoder more.
        let [alone, beside] = [&views, &one].map(|one| one.promise(one.threshold, 1));
        assert!(alone.rate_high > 0.5 && beside.rate_high < 0.3, "{alone:?} {beside:?}");
        // Two standard deviations are about the bank's own threshold, with a decoder, too.
        let two = one.threshold_at_sigma(2.0);
        assert!((two - one.threshold).abs() < 0.1, "{two}");
    }

    /// The threshold as a logarithm, as a median over calibrations of `n` normal logarithms.
    fn usual_threshold(fpr: f64, n: usize) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut found: Vec<f64> = (0..200)
            .map(|_| {
                let calibration = calibration((0..n).map(|_| normal(&mut rng)).collect());
                log_of(&calibration, calibration.threshold_at_fpr(fpr))
            })
            .collect();
        found.sort_by(f64::total_cmp);
        found[100]
    }

    #[test]
    fn the_threshold_is_not_blind_where_the_frames_do_not_ask_for_it() {
        // One in a thousand normal numbers lies above 3.09, one in a hundred above 2.33.
        for (fpr, n, most) in
            [(0.001, 16, 6.5), (0.001, 64, 4.9), (0.001, 256, 4.1), (0.01, 16, 4.4), (0.01, 64, 3.3)]
        {
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
        let (found, odd) = (log_of(&with, with.threshold_at_fpr(0.01)), 30.0);
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
        assert_eq!(together.threshold_at_events(36.0, 10.0), together.threshold_at_fpr(0.002));
        // As long in time at ten times the rate.
        let timed = Calibration { step: Some(0.1), ..together.clone() };
        for (rate, fpr) in [(10.0, 0.002), (100.0, 1e-4 * 31.0_f64.sqrt())] {
            let (found, expected) = (timed.threshold_at_events(36.0, rate), timed.threshold_at_fpr(fpr));
            assert!((found - expected).abs() < 1e-9, "{rate}: {found} {expected}");
        }
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
            let log = log_of(&calibration, threshold);
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
