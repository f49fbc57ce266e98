//! Where the threshold of `snarmdetect` comes from, and the verdicts between two of them.

use std::path::Path;

use gst::prelude::*;
use snarm_core::registry;

use crate::common::{Line, bad_pixels, bank, calibration, caps, detector, good_pixels, init};
use crate::outside::client;

#[test]
fn modes_take_their_threshold_from_the_bank_while_playing() {
    init();
    let bank = registry::bank(Path::new(bank())).unwrap();
    let calibration = calibration(&bank);
    let mut line = Line::new(detector(&[]), caps());
    let meta = line.inspect(0, good_pixels(30));
    assert!(
        (meta.score - calibration.score(meta.score_raw)).abs() < 1e-9,
        "another reference than the bank's"
    );
    assert_eq!(meta.pixel_threshold, calibration.pixel_threshold);
    let mut threshold = |settings: &[(&str, &str)]| {
        for (name, value) in settings {
            line.element.set_property_from_str(name, value);
        }
        line.inspect(0, good_pixels(30)).threshold
    };
    assert_eq!(threshold(&[]), 0.5, "that of every bank");
    let fpr = [0.2, 0.01, 0.001].map(|fpr| {
        let found = threshold(&[("threshold-mode", "fpr"), ("target-fpr", &fpr.to_string())]);
        assert_eq!(found, calibration.threshold_at_fpr(fpr));
        found
    });
    assert!(fpr.is_sorted_by(|a, b| a < b), "{fpr:?}");
    let sigma = [0.0, 2.0, 6.0].map(|sigma| {
        let found = threshold(&[("threshold-mode", "sigma"), ("sigma", &sigma.to_string())]);
        assert_eq!(found, calibration.threshold_at_sigma(sigma));
        found
    });
    assert!(sigma.is_sorted_by(|a, b| a < b), "{sigma:?}");
    let events = [3600.0, 60.0, 1.0].map(|per_hour| {
        let target = ("target-events-per-hour", &*per_hour.to_string());
        let found = threshold(&[("threshold-mode", "events"), target]);
        assert_eq!(found, calibration.threshold_at_events(per_hour, 25.0));
        found
    });
    assert!(events.is_sorted_by(|a, b| a < b), "{events:?}");
    assert_eq!(threshold(&[("threshold-mode", "manual"), ("threshold", "0.25")]), 0.25);
    assert_eq!(threshold(&[("threshold-mode", "sigma")]), 0.25, "a number beats the modes");
    assert_eq!(threshold(&[("threshold-mode", "bank"), ("threshold", "-1")]), 0.5);
}

#[test]
fn a_manual_threshold_that_is_missing_is_told_once_and_the_banks_holds() {
    init();
    let mut line = Line::new(detector(&[("threshold-mode", "manual"), ("threshold", "0.25")]), caps());
    let mut first = 0;
    for told in 1..3 {
        line.element.set_property("threshold", 0.25);
        assert_eq!(line.inspect(first, good_pixels(0)).threshold, 0.25);
        line.element.set_property("threshold", -1.0);
        for n in 1..4 {
            assert_eq!(line.inspect(first + n, good_pixels(0)).threshold, 0.5);
        }
        let warnings = line.heard(gst::MessageType::Warning);
        assert_eq!(warnings.len(), told);
        let gst::MessageView::Warning(warning) = warnings[told - 1].view() else { unreachable!() };
        assert!(warning.error().matches(gst::ResourceError::Settings), "{}", warning.error());
        assert!(warning.error().message().contains("threshold-mode=manual"), "{}", warning.error());
        first += 4;
    }
}

#[test]
fn between_two_thresholds_a_frame_is_uncertain() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    let score = line.inspect(0, bad_pixels(0)).score;
    let mut verdict = |threshold: f64, low: f64| {
        line.element.set_property("threshold", threshold);
        line.element.set_property("threshold-low", low);
        let meta = line.inspect(0, bad_pixels(0));
        assert_eq!((meta.score, meta.threshold_low), (score, low));
        assert_eq!(meta.is_anomalous(), meta.verdict.name() == "anomalous");
        meta.verdict.name()
    };
    let (above, below) = (score + 1e-3, score - 1e-3);
    assert_eq!(verdict(above, -1.0), "normal");
    assert_eq!(verdict(above, above), "normal");
    assert_eq!(verdict(above, below), "uncertain");
    assert_eq!(verdict(score, below), "anomalous", "the threshold itself is anomalous");
    assert_eq!(verdict(below, above), "anomalous", "a lower threshold above the threshold means nothing");
}

#[test]
fn a_lower_threshold_above_the_threshold_is_told_once() {
    init();
    let limits = [("threshold", "0.625"), ("threshold-low", "0.875")];
    // In the mode events the threshold of the bank depends on the stream, and is known with the first frame.
    let often = ("target-events-per-hour", "3600");
    let events = [("threshold-mode", "events"), often, ("threshold-low", "1")];
    for (properties, expected) in [(&limits[..], "0.625"), (&limits[1..], "0.5"), (&events[..], "0.")] {
        let mut line = Line::new(detector(properties), caps());
        if expected != "0." {
            assert_eq!(line.warnings().len(), 1, "at start");
        }
        (0..3).for_each(|n| drop(line.inspect(n, good_pixels(0))));
        let warnings = line.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let text = format!("threshold-low: expected -1 or at most the threshold, {expected}");
        assert!(warnings[0].contains(&text), "{warnings:?}");
        let low = properties.last().unwrap().1;
        assert!(warnings[0].contains(&format!("found {low}; no frame is uncertain")), "{warnings:?}");
        // Right, and wrong again.
        line.element.set_property("threshold-low", 0.125);
        line.inspect(3, good_pixels(0));
        line.element.set_property("threshold", 0.0625);
        (4..6).for_each(|n| drop(line.inspect(n, good_pixels(0))));
        let warnings = line.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].contains("0.0625") && warnings[1].contains("0.125"), "{warnings:?}");
    }
}

#[test]
fn controllers_steer_thresholds_and_the_switch_by_stream_time() {
    init();
    let Some(lines) = client("control_limits.py", &[bank()]) else { return };
    assert_eq!(lines.len(), 5);
    for (n, line) in lines.iter().enumerate() {
        // The script ramps the two thresholds and switches the third frame off.
        let close = |name: &str, expected: f64| (line[name].as_f64().unwrap() - expected).abs() < 1e-9;
        assert!(close("threshold", 0.2 * n as f64), "{n}: {line}");
        assert!(close("threshold-low", 0.1 * n as f64), "{n}: {line}");
        assert_eq!(line["analysed"], n != 3, "{n}: {line}");
    }
}

#[test]
fn specks_are_left_out_of_the_regions() {
    init();
    let regions = |properties: &[(&str, &str)]| {
        let mut line = Line::new(detector(properties), caps());
        line.inspect(0, bad_pixels(0)).record.regions
    };
    let all = regions(&[]);
    let largest = all.iter().map(|region| region.area).fold(0.0, f64::max);
    assert!(largest > 0.0, "{all:?}");
    assert!(regions(&[("min-area", &(largest * 1.01).to_string())]).is_empty());
    let kept = regions(&[("min-area", &(largest * 0.99).to_string())]);
    assert_eq!(kept.len(), all.iter().filter(|region| region.area >= largest * 0.99).count());
    assert!(regions(&[("max-regions", "0")]).is_empty());
}
