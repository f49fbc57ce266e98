//! Where the time of a frame goes.

use std::time::Duration;

/// Wall-clock time of each stage of one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Frame to network input.
    pub preprocess: Duration,
    /// Network input to descriptors.
    pub encode: Duration,
    /// Matching against the bank.
    pub inter_match: Duration,
    /// Waypoint map, trusted and hard tokens.
    pub navigate: Duration,
    /// Matching against the frame's own trusted tokens.
    pub intra_match: Duration,
    /// Residuals to score map.
    pub decode: Duration,
    /// Smoothing, image score, mask and regions.
    pub postprocess: Duration,
}

impl StageTimes {
    /// Stage names and times in the order of the frame's way.
    pub fn stages(&self) -> [(&'static str, Duration); 7] {
        [
            ("preprocess", self.preprocess),
            ("encode", self.encode),
            ("inter-match", self.inter_match),
            ("navigate", self.navigate),
            ("intra-match", self.intra_match),
            ("decode", self.decode),
            ("postprocess", self.postprocess),
        ]
    }

    /// Time of all stages.
    pub fn total(&self) -> Duration {
        self.stages().iter().map(|(_, time)| *time).sum()
    }
}
