//! What a threshold promises, and how sure that is.

use super::beta;

/// A part of this lies below the range of a rate, and above it: in four of five cases the rate lies inside.
const EDGE: f64 = 0.1;

/// A threshold and the rate of new good frames that reach it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    /// Image score threshold, 0..1.
    pub threshold: f64,
    /// Rate of new good frames at or above it: in nine of ten cases it is at least this.
    pub rate_low: f64,
    /// In nine of ten cases the rate is at most this.
    pub rate_high: f64,
}

impl Promise {
    /// That of a threshold which so many of so many good frames reach, neither of which need be whole: frames that repeat each
    /// other count in part (Clopper and Pearson 1934).
    pub(super) fn of(threshold: f64, above: f64, frames: f64) -> Self {
        let below = (frames - above).max(0.0);
        let rate_low = if above > 0.0 { beta::quantile(above, below + 1.0, EDGE) } else { 0.0 };
        let rate_high = if below > 0.0 { beta::quantile(above + 1.0, below, 1.0 - EDGE) } else { 1.0 };
        Self { threshold, rate_low, rate_high }
    }

    /// The range of the rate in words, in per cent.
    pub fn range(&self) -> String {
        let percent = |rate: f64| {
            let digits = if rate < 0.01 && rate > 0.0 { 2 } else { 0 };
            format!("{:.digits$}", 100.0 * rate)
        };
        format!("{} to {} %", percent(self.rate_low), percent(self.rate_high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_frames_say_little_and_many_much() {
        let nothing = Promise::of(0.5, 0.0, 0.0);
        assert_eq!((nothing.rate_low, nothing.rate_high), (0.0, 1.0));
        let four = Promise::of(0.5, 0.0, 4.0);
        assert!(
            four.rate_low == 0.0 && (four.rate_high - (1.0 - 0.1_f64.powf(0.25))).abs() < 1e-9,
            "{four:?}"
        );
        let many = Promise::of(0.5, 10.0, 1000.0);
        assert!(
            (0.005..0.01).contains(&many.rate_low) && (0.01..0.017).contains(&many.rate_high),
            "{many:?}"
        );
        let all = Promise::of(0.5, 8.0, 8.0);
        assert!(all.rate_low > 0.7 && all.rate_high == 1.0, "{all:?}");
        assert_eq!(four.range(), "0 to 44 %");
        assert_eq!(many.range(), "0.62 to 2 %");
    }
}
