//! The thresholds that each rule makes of the scores of good frames, to be seen side by side.

use super::Calibration;

/// What is promised of good frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promises<'a> {
    /// Standard deviations above the median.
    pub sigma: f64,
    /// Rates of good frames above the threshold, a rule for each.
    pub fprs: &'a [f64],
    /// Separate alarms in an hour.
    pub events_per_hour: f64,
    /// Frames in a second.
    pub rate: f64,
}

impl Promises<'static> {
    /// What is shown where nobody asks for anything else.
    pub const USUAL: Self = Self { sigma: 3.0, fprs: &[0.01, 0.001], events_per_hour: 1.0, rate: 25.0 };
}

/// A rule by its name, and its threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Kind of the rule, and what is promised.
    pub name: String,
    /// Image score, 0..1.
    pub threshold: f64,
}

impl Calibration {
    /// The threshold of each rule, the bank's own first.
    pub fn rules(&self, promised: &Promises<'_>) -> Vec<Rule> {
        let Promises { sigma, fprs, events_per_hour, rate } = *promised;
        let rule = |name: String, threshold| Rule { name, threshold };
        let mut rules = vec![
            rule("bank".to_owned(), self.threshold),
            rule(format!("sigma {sigma}"), self.threshold_at_sigma(sigma)),
        ];
        rules.extend(fprs.iter().map(|fpr| rule(format!("fpr {fpr}"), self.threshold_at_fpr(*fpr))));
        rules.push(rule(
            format!("events {events_per_hour} an hour at {rate} frames/s"),
            self.threshold_at_events(events_per_hour, rate),
        ));
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_the_thresholds_of_their_names() {
        let raw: Vec<f64> = (0..40).map(|frame| 1.0 + f64::from(frame) / 100.0).collect();
        let calibration = Calibration::new("x", true, &raw, &raw).unwrap();
        let promised = Promises { sigma: 2.5, fprs: &[0.1, 0.02], events_per_hour: 4.0, rate: 12.5 };
        let told: Vec<(String, f64)> =
            calibration.rules(&promised).into_iter().map(|rule| (rule.name, rule.threshold)).collect();
        let expected = [
            ("bank", calibration.threshold),
            ("sigma 2.5", calibration.threshold_at_sigma(2.5)),
            ("fpr 0.1", calibration.threshold_at_fpr(0.1)),
            ("fpr 0.02", calibration.threshold_at_fpr(0.02)),
            ("events 4 an hour at 12.5 frames/s", calibration.threshold_at_events(4.0, 12.5)),
        ];
        assert_eq!(told, expected.map(|(name, threshold)| (name.to_owned(), threshold)));
    }
}
