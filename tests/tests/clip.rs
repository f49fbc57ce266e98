//! A real clip, learned and inspected through the elements: three bottles, a hand that takes them away and puts them back.
//!
//! The clip is not part of this repository ([`snarm_tests::skip::ALLOWED`]).

use gst::prelude::*;
use serde_json::Value;
use snarm_core::metrics::{Samples, auroc};
use snarm_tests::skip::outside;

/// Frames a second that are looked at.
const RATE: f64 = 5.0;

/// Runs a launch line to its end.
fn play(line: &str) {
    let pipeline = gst::parse::launch(line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let message = bus.timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    if let gst::MessageView::Error(error) = message.view() {
        panic!("{line}: {} ({:?})", error.error(), error.debug());
    }
}

/// Whether a time lies in one of the labelled stretches.
fn within(labels: &Value, name: &str, time: f64) -> bool {
    let stretches = labels[name].as_array().unwrap();
    stretches.iter().any(|s| (s[0].as_f64().unwrap()..s[1].as_f64().unwrap()).contains(&time))
}

#[test]
fn the_hand_and_the_missing_bottles_are_found_and_nothing_before_them() {
    let Some(clip) = outside("clip", "data/video/bottle-detection.mp4") else { return };
    gst::init().unwrap();
    gstsnarm::plugin_register_static().unwrap();
    let labels: Value = serde_json::from_str(include_str!("../data/bottle-detection.json")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (bank, results) = (dir.path().join("part.bank"), dir.path().join("results.jsonl"));
    let (bank, results) = (bank.display(), results.display());
    let source = format!(
        "filesrc location={} ! decodebin ! videorate ! video/x-raw,framerate=5/1 ! videoconvert",
        clip.display()
    );
    let learned = (labels["learn"][1].as_f64().unwrap() * RATE) as usize;
    play(&format!("{source} ! identity eos-after={} ! snarmbank location={bank} ! fakesink", learned + 1));
    play(&format!("{source} ! snarmdetect bank-location={bank} results-location={results} ! fakesink"));

    let mut samples = Samples::new();
    let mut moved = Samples::new();
    let (mut missed, mut false_alarms, mut n) = (Vec::new(), Vec::new(), 0);
    for (i, line) in std::fs::read_to_string(results.to_string()).unwrap().lines().enumerate() {
        let result: Value = serde_json::from_str(line).unwrap();
        let (time, score) = (i as f64 / RATE, result["score"].as_f64().unwrap());
        let anomalous = result["anomalous"].as_bool().unwrap();
        n += 1;
        if within(&labels, "disturbed", time) {
            samples.push(score as f32, true);
            moved.push(score as f32, true);
            missed.extend((!anomalous).then_some((time, score)));
        } else if within(&labels, "undisturbed", time) && i >= learned {
            samples.push(score as f32, false);
            moved.push(score as f32, false);
            false_alarms.extend(anomalous.then_some((time, score)));
        } else if within(&labels, "moved", time) {
            moved.push(score as f32, false);
        }
    }
    let of = |samples: Samples| auroc(&samples.rank().unwrap()).unwrap();
    let (strict, with_moved) = (of(samples), of(moved));
    println!("{n} frames; frame AUROC {strict:.4}; with the moved bottles called normal {with_moved:.4}");
    println!("missed {missed:?}, false alarms {false_alarms:?}");
    assert!(n > 190, "the whole clip was inspected: {n}");
    assert!(strict > 0.99, "{strict}");
    assert!(missed.is_empty() && false_alarms.is_empty(), "missed {missed:?}, false alarms {false_alarms:?}");
}
