//! How far a run has come, and how long it will take.

use std::time::{Duration, Instant};

/// What a run tells its watcher after each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps done, those before an interruption included.
    pub step: u64,
    /// Steps of the run.
    pub steps: u64,
    /// Loss, smoothed over the last steps.
    pub loss: f64,
    /// Steps a second.
    pub rate: f64,
    /// Time left at that rate.
    pub left: Duration,
}

/// Part of an older value that stays in a smoothed one at each step.
const MEMORY: f64 = 0.95;

/// Measures a run.
#[derive(Debug)]
pub struct Meter {
    steps: u64,
    loss: Option<f64>,
    seconds: Option<f64>,
    last: Instant,
}

impl Meter {
    /// Of a run of that many steps.
    pub fn new(steps: u64) -> Self {
        Self { steps, loss: None, seconds: None, last: Instant::now() }
    }

    /// Notes that step number `step` (counted from 0) is done, with that loss.
    pub fn step(&mut self, step: u64, loss: f64) -> Progress {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let loss = smooth(&mut self.loss, loss);
        let seconds = smooth(&mut self.seconds, seconds);
        let done = step + 1;
        let left = Duration::from_secs_f64(self.steps.saturating_sub(done) as f64 * seconds);
        Progress { step: done, steps: self.steps, loss, rate: 1.0 / seconds.max(1e-9), left }
    }
}

fn smooth(kept: &mut Option<f64>, value: f64) -> f64 {
    let smoothed = kept.map_or(value, |old| MEMORY * old + (1.0 - MEMORY) * value);
    *kept = Some(smoothed);
    smoothed
}
