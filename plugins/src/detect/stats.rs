//! Counters and times of a stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snarm_core::light::Quality;

use super::drift::{self, Drifts, Told};
use super::found::InUse;
use super::latency::Latency;
use crate::meta;

/// Analyses that the percentiles are taken of.
const LATENCIES: usize = 1024;

/// Frames that the frame rate is taken of.
const ARRIVALS: usize = 64;

/// What readers of the properties see. Apart from the analysis, so that they never wait for a frame.
pub(super) struct Figures {
    pub(super) last_score: f64,
    pub(super) stats: Stats,
    pub(super) latency: Latency,
    pub(super) drift: Drifts,
    pub(super) bank: Option<Arc<InUse>>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            last_score: meta::NONE,
            stats: Stats::default(),
            latency: Latency::default(),
            drift: Drifts::default(),
            bank: None,
        }
    }
}

impl Figures {
    /// Goes on with another bank.
    pub(super) fn use_bank(&mut self, bank: Arc<InUse>) {
        (self.bank, self.drift) = (Some(bank), Drifts::default());
    }

    /// Takes what a frame says of its quality; what has left its learned range, or come back, by that.
    pub(super) fn see_quality(&mut self, quality: Option<&Quality>) -> Vec<Told> {
        let ranges = self.bank.as_ref().and_then(|bank| bank.ranges);
        quality.zip(ranges).map(|(quality, ranges)| self.drift.see(quality, &ranges)).unwrap_or_default()
    }

    /// Value of the property `stats`.
    pub(super) fn structure(&self, queue: usize, device: &str) -> gst::Structure {
        let mut fields = self.stats.structure(queue, device);
        self.drift.write(&mut fields);
        drift::write_ranges(self.bank.as_ref().and_then(|bank| bank.ranges.as_ref()), &mut fields);
        fields
    }
}

/// What is counted from start to stop.
#[derive(Debug)]
pub(super) struct Stats {
    /// Empty before the first start.
    started: Option<Instant>,
    told: Instant,
    frames: u64,
    analysed: u64,
    anomalous: u64,
    dropped: u64,
    events: u64,
    unreadable: u64,
    results_lost: u64,
    /// Nanoseconds, the latest ones.
    latencies: VecDeque<u64>,
    sum: u64,
    min: u64,
    max: u64,
    arrivals: VecDeque<Instant>,
}

impl Default for Stats {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            started: None,
            told: now,
            frames: 0,
            analysed: 0,
            anomalous: 0,
            dropped: 0,
            events: 0,
            unreadable: 0,
            results_lost: 0,
            latencies: VecDeque::new(),
            sum: 0,
            min: u64::MAX,
            max: 0,
            arrivals: VecDeque::new(),
        }
    }
}

impl Stats {
    /// Those of a run that begins now.
    pub(super) fn begin() -> Self {
        Self { started: Some(Instant::now()), ..Self::default() }
    }

    /// Counts a frame; `latency` is that of its analysis, if there was one.
    pub(super) fn count(&mut self, now: Instant, latency: Option<u64>, anomalous: bool) {
        self.frames += 1;
        if self.arrivals.len() == ARRIVALS {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        let Some(latency) = latency else { return };
        self.analysed += 1;
        self.anomalous += u64::from(anomalous);
        if self.latencies.len() == LATENCIES {
            self.latencies.pop_front();
        }
        self.latencies.push_back(latency);
        self.sum += latency;
        self.min = self.min.min(latency);
        self.max = self.max.max(latency);
    }

    /// Counts a frame that `pass` kept back.
    pub(super) fn count_dropped(&mut self) {
        self.dropped += 1;
    }

    /// Counts a frame that could not be read.
    pub(super) fn count_unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Counts a line of results that could not be written.
    pub(super) fn count_lost(&mut self) {
        self.results_lost += 1;
    }

    /// Counts a defect that began.
    pub(super) fn count_event(&mut self) {
        self.events += 1;
    }

    /// Whether `interval` has passed since the last time this was true.
    pub(super) fn due(&mut self, now: Instant, interval: Duration) -> bool {
        let due = now.duration_since(self.told) >= interval;
        if due {
            self.told = now;
        }
        due
    }

    /// All counts and times. Times are in nanoseconds; those of no frame are 0.
    fn structure(&self, queue: usize, device: &str) -> gst::Structure {
        let mut sorted: Vec<u64> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let percentile = |percent: usize| {
            // The smallest value that so many percent of all do not exceed.
            let rank = (sorted.len() * percent).div_ceil(100);
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        let seconds = match (self.arrivals.front(), self.arrivals.back()) {
            (Some(first), Some(last)) => last.duration_since(*first).as_secs_f64(),
            _ => 0.0,
        };
        let fps = if seconds > 0.0 { (self.arrivals.len() - 1) as f64 / seconds } else { 0.0 };
        gst::Structure::builder("snarm-stats")
            .field("frames", self.frames)
            .field("analysed", self.analysed)
            .field("skipped", self.frames - self.analysed)
            .field("anomalous", self.anomalous)
            .field("dropped", self.dropped)
            .field("events", self.events)
            .field("unreadable", self.unreadable)
            .field("results-lost", self.results_lost)
            .field("fps", fps)
            .field("latency-avg", self.sum.checked_div(self.analysed).unwrap_or_default())
            .field("latency-min", if self.analysed > 0 { self.min } else { 0 })
            .field("latency-max", self.max)
            .field("latency-p50", percentile(50))
            .field("latency-p95", percentile(95))
            .field("latency-last", self.latencies.back().copied().unwrap_or_default())
            .field("queue", queue as u32)
            .field("device", device)
            .field("since", self.started.map_or(0, |started| started.elapsed().as_nanos() as u64))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_what_was_counted() {
        gst::init().unwrap();
        let mut stats = Stats::default();
        let empty = stats.structure(0, "cpu");
        assert_eq!(empty.get::<u64>("latency-min").unwrap(), 0);
        assert_eq!(empty.get::<f64>("fps").unwrap(), 0.0);
        let start = Instant::now();
        for n in 1..=100_u64 {
            stats.count(start + Duration::from_millis(40 * n), Some(n * 1000), n % 4 == 0);
        }
        stats.count(start + Duration::from_millis(4040), None, true);
        stats.count_dropped();
        stats.count_event();
        let s = stats.structure(3, "cuda:1");
        let count = |name| s.get::<u64>(name).unwrap();
        assert_eq!((count("frames"), count("analysed"), count("skipped")), (101, 100, 1));
        assert_eq!((count("anomalous"), count("dropped"), count("events")), (25, 1, 1));
        assert_eq!((count("latency-min"), count("latency-max")), (1000, 100_000));
        assert_eq!((count("latency-avg"), count("latency-last")), (50_500, 100_000));
        assert_eq!((count("latency-p50"), count("latency-p95")), (50_000, 95_000));
        assert!((s.get::<f64>("fps").unwrap() - 25.0).abs() < 1e-6);
        assert_eq!(s.get::<u32>("queue").unwrap(), 3);
        assert_eq!(s.get::<&str>("device").unwrap(), "cuda:1");
    }

    #[test]
    fn an_interval_is_due_once() {
        let mut stats = Stats::default();
        let interval = Duration::from_secs(1);
        let start = stats.told;
        assert!(!stats.due(start + interval / 2, interval));
        assert!(stats.due(start + interval, interval));
        assert!(!stats.due(start + interval * 3 / 2, interval));
        assert!(stats.due(start + interval * 2, interval));
    }
}
