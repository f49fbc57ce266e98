//! What `snarmdetect` says of itself: statistics, latency, the bank in use.

use std::path::Path;

use gst::prelude::*;
use snarm_core::registry;

use crate::common::{Line, bank, buffer, calibration, caps, detector, good_pixels, init};

#[test]
fn statistics_count_frames_and_times() {
    init();
    let mut line = Line::new(detector(&[("interval", "2")]), caps());
    let metas: Vec<_> = (0..6).map(|n| line.inspect(n, good_pixels(n))).collect();
    line.push_verdicts(6, "a");
    let stats = line.element.property::<gst::Structure>("stats");
    assert_eq!(stats.name(), "snarm-stats");
    let count = |name: &str| stats.get::<u64>(name).unwrap();
    assert_eq!((count("frames"), count("analysed"), count("skipped")), (7, 4, 3));
    let called = metas.iter().filter(|meta| meta.analysed && meta.is_anomalous()).count() as u64;
    assert_eq!(count("anomalous"), called + 1);
    assert!((1..=called + 1).contains(&count("events")));
    let latencies: Vec<u64> = metas.iter().filter(|meta| meta.analysed).map(|meta| meta.latency).collect();
    assert!(count("latency-min") <= *latencies.iter().min().unwrap());
    assert!(count("latency-max") >= *latencies.iter().max().unwrap());
    let order = ["latency-min", "latency-p50", "latency-p95", "latency-max"].map(count);
    assert!(order.is_sorted() && order[0] > 0, "{order:?}");
    assert!((order[0]..=order[3]).contains(&count("latency-avg")));
    assert!((order[0]..=order[3]).contains(&count("latency-last")));
    assert!(stats.get::<f64>("fps").unwrap() > 0.0 && count("since") > order[3]);
    let snapshot = line.element.emit_by_name::<gst::Structure>("snapshot-stats", &[]);
    assert_eq!(snapshot.get::<u64>("frames").unwrap(), 7);
    // They are of one run.
    line.element.set_state(gst::State::Null).unwrap();
    line.element.set_state(gst::State::Playing).unwrap();
    assert_eq!(line.element.property::<gst::Structure>("stats").get::<u64>("frames").unwrap(), 0);
}

#[test]
fn statistics_are_posted_at_their_interval() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    line.push_good(2);
    assert!(line.element_messages("snarm-stats").is_empty(), "statistics were posted unasked");
    line.element.set_property("stats-interval", 1_u64);
    line.push_good(3);
    line.element.set_property("stats-interval", 3_600_000_000_000_u64);
    line.push_good(3);
    let told = line.element_messages("snarm-stats");
    let frames: Vec<u64> = told.iter().map(|stats| stats.get("frames").unwrap()).collect();
    assert_eq!(frames, [3, 4, 5]);
}

#[test]
fn the_time_of_an_analysis_is_part_of_a_live_pipelines_latency() {
    init();
    let upstream = gst::ClockTime::from_mseconds(10);
    for report in [true, false] {
        let mut line = Line::new(detector(&[("report-latency", &report.to_string())]), caps());
        line.harness.set_upstream_latency(upstream);
        assert_eq!(line.harness.query_latency(), Some(upstream), "latency of no frame");
        let meta = line.inspect(0, good_pixels(0));
        let found = line.harness.query_latency().unwrap() - upstream;
        let told = line.heard(gst::MessageType::Latency).len();
        if report {
            let expected = meta.latency as f64 * 1.05;
            assert!((found.nseconds() as f64 - expected).abs() < 2.0, "{found} of {expected}");
            assert_eq!(told, 1, "the pipeline has to ask again");
        } else {
            assert_eq!((found, told), (gst::ClockTime::ZERO, 0));
        }
    }
}

#[test]
fn the_bank_in_use_is_shown_while_there_is_one() {
    init();
    let element = detector(&[]);
    let info = |element: &gst::Element| element.property::<Option<gst::Structure>>("bank-info");
    assert!(info(&element).is_none());
    let mut line = Line::new(element, caps());
    line.harness.push(buffer(0, good_pixels(0))).unwrap();
    let bank = registry::bank(Path::new(bank())).unwrap();
    let found = info(&line.element).unwrap();
    assert_eq!(found.get::<&str>("bank-id").unwrap(), bank.digest());
    assert_eq!(found.get::<u64>("vectors").unwrap(), bank.vectors() as u64);
    assert_eq!(found.get::<u64>("frames").unwrap(), bank.frames() as u64);
    assert_eq!(found.get::<u32>("generation").unwrap(), 0);
    assert_eq!(found.get::<&str>("crop").unwrap(), "auto");
    assert_eq!(found.get::<&str>("encoder").unwrap(), bank.encoder_name());
    let calibration = calibration(&bank);
    let number = |name| found.get::<f64>(name).unwrap();
    // The threshold of every bank is 0.5.
    assert_eq!((number("threshold"), number("pixel-threshold")), (0.5, calibration.pixel_threshold));
    assert_eq!((number("score-mean"), number("score-std")), (calibration.mean, calibration.std));
    assert_eq!(number("score-max"), calibration.max);
    line.element.set_state(gst::State::Null).unwrap();
    assert!(info(&line.element).is_none());
}
