//! The learning rate over a run: a linear rise, then half a cosine down.

/// Learning rates of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Highest rate, reached at the end of the rise.
    pub base: f64,
    /// Rate at the end of the run.
    pub last: f64,
    /// Steps of the rise.
    pub warm_up: u64,
    /// Steps of the run.
    pub steps: u64,
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warm_up {
            return self.base * (step + 1) as f64 / self.warm_up as f64;
        }
        let length = self.steps.saturating_sub(self.warm_up).max(1) as f64;
        let part = ((step - self.warm_up) as f64 / length).min(1.0);
        self.last + 0.5 * (self.base - self.last) * (1.0 + (std::f64::consts::PI * part).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_the_base_and_falls_to_the_last() {
        let schedule = Schedule { base: 1e-3, last: 1e-4, warm_up: 10, steps: 110 };
        let close = |step, rate: f64| assert!((schedule.rate(step) - rate).abs() < 1e-12, "step {step}");
        close(0, 1e-4);
        close(9, 1e-3);
        close(10, 1e-3);
        close(60, 5.5e-4);
        close(110, 1e-4);
        close(1000, 1e-4);
        assert!((10..109).all(|step| schedule.rate(step + 1) < schedule.rate(step)));
    }

    #[test]
    fn a_run_may_be_all_rise() {
        let schedule = Schedule { base: 1.0, last: 0.5, warm_up: 4, steps: 4 };
        assert_eq!([0, 1, 3].map(|step| schedule.rate(step)), [0.25, 0.5, 1.0]);
    }
}
