//! Where the time of a frame goes.

use std::time::Duration;

/// Wall-clock time of each stage of one frame: frame to network input, network input to features, the stages of the model,
/// and raw scores to a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageTimes {
    stages: Vec<(&'static str, Duration)>,
}

impl StageTimes {
    /// Adds the time of a stage that came after those before, or once more, for another tile.
    pub fn add(&mut self, stage: &'static str, time: Duration) {
        match self.stages.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, sum)) => *sum += time,
            None => self.stages.push((stage, time)),
        }
    }

    /// Forgets all stages, and keeps their room for the next frame.
    pub(crate) fn clear(&mut self) {
        self.stages.clear();
    }

    /// Stage names and times in the order of the frame's way.
    pub fn stages(&self) -> &[(&'static str, Duration)] {
        &self.stages
    }

    /// Time of a stage, if there was one of that name.
    pub fn of(&self, stage: &str) -> Option<Duration> {
        self.stages.iter().find(|(name, _)| *name == stage).map(|(_, time)| *time)
    }

    /// Time of all stages.
    pub fn total(&self) -> Duration {
        self.stages.iter().map(|(_, time)| *time).sum()
    }
}
