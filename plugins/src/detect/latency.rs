//! What the element answers to LATENCY queries of a live pipeline: the time that an analysis takes.

use std::collections::VecDeque;

/// Analyses that the estimate is taken of: one slow frame counts for so long.
const RECENT: usize = 32;

/// Factor between the slowest recent analysis and what is reported.
const HEADROOM: f64 = 1.05;

/// An estimate below this part of what was reported is reported anew.
const FALL: f64 = 0.75;

/// The estimate and what was made of it.
#[derive(Debug, Default)]
pub(super) struct Latency {
    recent: VecDeque<u64>,
    reported: u64,
}

impl Latency {
    /// Takes the time of an analysis, in nanoseconds. Whether the pipeline has to ask again.
    pub(super) fn add(&mut self, nanoseconds: u64) -> bool {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(nanoseconds);
        let slowest = self.recent.iter().copied().max().unwrap_or_default();
        let estimate = (slowest as f64 * HEADROOM) as u64;
        let changed = slowest > self.reported || (estimate as f64) < FALL * self.reported as f64;
        if changed {
            self.reported = estimate;
        }
        changed
    }

    /// What is added to the pipeline's latency.
    pub(super) fn reported(&self) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(self.reported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_anew_when_it_rises_and_when_it_falls_by_a_quarter() {
        let mut latency = Latency::default();
        assert!(latency.add(1000), "the first analysis");
        assert_eq!(latency.reported().nseconds(), 1050);
        assert!(!latency.add(1040), "within the headroom");
        assert!(latency.add(1060), "above it");
        assert_eq!(latency.reported().nseconds(), 1113);
        let told: Vec<usize> = (0..3 * RECENT).filter(|_| latency.add(900)).collect();
        assert!(told.is_empty(), "15 % less is not told: {told:?}");
        let told: Vec<usize> = (0..3 * RECENT).filter(|_| latency.add(500)).collect();
        // The last 900 is forgotten with the 32nd 500.
        assert_eq!(told, [RECENT - 1]);
        assert_eq!(latency.reported().nseconds(), 525);
    }
}
