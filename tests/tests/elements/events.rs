//! What `snarmdetect` tells of defects and frames: messages, signals, actions.

use std::sync::{Arc, Mutex};

use gst::prelude::*;

use crate::common::{Line, bad_pixels, buffer, caps, detector, good_pixels, init, read};

/// Running time of a frame.
fn time(n: u64) -> Option<gst::ClockTime> {
    Some(gst::ClockTime::from_mseconds(40 * n))
}

/// A time of a structure.
fn field(s: &gst::StructureRef, name: &str) -> Option<gst::ClockTime> {
    s.get::<Option<gst::ClockTime>>(name).unwrap()
}

#[test]
fn a_defect_begins_when_confirmed_and_ends_after_the_hold_time() {
    init();
    let element = detector(&[("confirm-frames", "2"), ("hold-time", "80000000"), ("source-id", "line 1")]);
    let mut line = Line::new(element, caps());
    line.push_verdicts(0, "nannaaan");
    let begins = line.element_messages("snarm-defect-begin");
    assert_eq!(begins.len(), 1, "a single anomalous frame was confirmed, or two were not");
    let begin = &begins[0];
    assert_eq!((field(begin, "begin"), begin.get::<u64>("event-id").unwrap()), (time(4), 0));
    assert_eq!(begin.get::<&str>("source-id").unwrap(), "line 1");
    line.push_verdicts(8, "ann");
    assert!(line.element_messages("snarm-defect-end").is_empty(), "ended within the hold time");
    line.push_verdicts(11, "nnaa");
    let ends = line.element_messages("snarm-defect-end");
    assert_eq!(ends.len(), 1);
    let end = &ends[0];
    // Frames 4 to 6 and 8; it ended with frame 8.
    assert_eq!((field(end, "begin"), field(end, "end")), (time(4), time(9)));
    assert_eq!(end.get::<u64>("frames").unwrap(), 4);
    assert_eq!(end.get::<&str>("reason").unwrap(), "normal");
    assert!((0.0..=1.0).contains(&end.get::<f64>("peak-score").unwrap()));
    assert!(field(end, "peak-time") >= time(4) && field(end, "peak-time") <= time(8));
    let begins = line.element_messages("snarm-defect-begin");
    assert_eq!(begins.len(), 2);
    assert_eq!(begins[1].get::<u64>("event-id").unwrap(), 1);
}

#[test]
fn the_longest_hold_time_holds_until_the_stream_ends() {
    init();
    for policy in ["block", "skip"] {
        // The largest number leaves it open.
        let longest = (u64::MAX - 1).to_string();
        let mut line = Line::new(detector(&[("hold-time", &longest), ("busy-policy", policy)]), caps());
        line.push_verdicts(0, "nanan");
        assert!(line.element_messages("snarm-defect-end").is_empty(), "{policy}");
        line.finish();
        let ends = line.element_messages("snarm-defect-end");
        assert_eq!(ends.len(), 1, "{policy}");
        assert_eq!((field(&ends[0], "begin"), field(&ends[0], "end")), (time(1), time(4)), "{policy}");
    }
}

#[test]
fn every_defect_that_began_ends_whatever_ends_the_stream() {
    init();
    let segment = || gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new());
    for reason in ["eos", "flush", "segment", "reset", "disabled", "stop"] {
        let mut line = Line::new(detector(&[]), caps());
        line.push_verdicts(0, "naa");
        match reason {
            "eos" => line.finish(),
            "flush" => {
                line.harness.push_event(gst::event::FlushStart::new());
                line.harness.push_event(gst::event::FlushStop::new(true));
            }
            "segment" => assert!(line.harness.push_event(segment())),
            "reset" => line.element.emit_by_name::<()>("reset-events", &[]),
            "disabled" => {
                line.element.set_property("enabled", false);
                line.inspect(3, good_pixels(3));
            }
            _ => drop(line.element.set_state(gst::State::Ready).unwrap()),
        }
        let ends = line.element_messages("snarm-defect-end");
        assert_eq!(ends.len(), 1, "{reason}");
        assert_eq!(ends[0].get::<&str>("reason").unwrap(), reason);
        assert_eq!((field(&ends[0], "begin"), field(&ends[0], "end")), (time(1), time(3)), "{reason}");
        if reason == "flush" || reason == "reset" {
            line.harness.push_event(segment());
            line.push_verdicts(4, "a");
            let begins = line.element_messages("snarm-defect-begin");
            let id = begins[1].get::<u64>("event-id").unwrap();
            assert_eq!(id, u64::from(reason == "flush"), "{reason}");
        }
    }
}

#[test]
fn a_defect_that_flickers_for_less_than_half_a_second_is_one_defect() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    line.push_verdicts(0, "nananna");
    line.push_verdicts(7, "nnnnnnnnnnnnn");
    assert!(line.element_messages("snarm-defect-end").is_empty(), "ended within half a second");
    line.push_verdicts(20, "n");
    let ends = line.element_messages("snarm-defect-end");
    assert_eq!(ends.len(), 1, "half a second after the defect good frames still did not end it");
    assert_eq!((field(&ends[0], "begin"), field(&ends[0], "end")), (time(1), time(7)));
}

#[test]
fn good_frames_near_the_threshold_do_not_end_a_defect() {
    init();
    let mut line = Line::new(detector(&[("hold-time", "0")]), caps());
    line.element.set_property("threshold", 0.0);
    let score = line.inspect(0, bad_pixels(0)).score;
    line.element.set_property("threshold", score + 1e-3);
    assert_eq!(line.inspect(1, bad_pixels(0)).verdict.name(), "normal");
    assert!(line.element_messages("snarm-defect-end").is_empty(), "ended just below the threshold");
    line.push_verdicts(2, "n");
    assert_eq!(line.element_messages("snarm-defect-end").len(), 1);
}

#[test]
fn modes_choose_the_messages() {
    init();
    for (mode, events, results) in [("none", 0, 0), ("events", 1, 0), ("anomalous", 1, 2), ("all", 1, 4)] {
        let mut line = Line::new(detector(&[("message-mode", mode), ("hold-time", "0")]), caps());
        line.push_verdicts(0, "naan");
        assert_eq!(line.element_messages("snarm-defect-begin").len(), events, "{mode}");
        assert_eq!(line.element_messages("snarm-defect-end").len(), events, "{mode}");
        assert_eq!(line.element_messages("snarm-result").len(), results, "{mode}");
    }
}

#[test]
fn a_result_says_what_the_meta_says_without_the_map() {
    init();
    let element = detector(&[("message-mode", "all"), ("pixel-threshold", "0"), ("source-id", "a")]);
    let mut line = Line::new(element, caps());
    let meta = line.inspect(3, good_pixels(3));
    let results = line.element_messages("snarm-result");
    let result = &results[0];
    for name in ["timestamp", "stream-time", "running-time"] {
        assert_eq!(field(result, name), time(3), "{name}");
    }
    assert_eq!(field(result, "duration"), time(1));
    assert_eq!(result.get::<f64>("score").unwrap(), meta.score);
    assert_eq!(result.get::<f64>("threshold").unwrap(), meta.threshold);
    assert_eq!(result.get::<f64>("area").unwrap(), meta.area);
    assert_eq!(result.get::<&str>("verdict").unwrap(), meta.verdict.name());
    assert_eq!(result.get::<&str>("source-id").unwrap(), "a");
    assert_eq!(result.get::<u64>("frame-number").unwrap(), 0);
    assert_eq!(result.get::<u64>("latency").unwrap(), meta.latency);
    let regions = result.get::<gst::Array>("regions").unwrap();
    assert!(!regions.is_empty() && regions.len() == meta.regions.len());
    assert!(!result.has_field("map"));
}

#[test]
fn signals_are_emitted_when_asked_for_with_a_readable_frame() {
    init();
    let element = detector(&[("threshold", "0"), ("message-mode", "none")]);
    let heard = Arc::new(Mutex::new(Vec::<String>::new()));
    for name in ["result", "defect-begin", "defect-end"] {
        let heard = heard.clone();
        element.connect(name, false, move |args| {
            let element = args[0].get::<gst::Element>().unwrap();
            let fields = args.last().unwrap().get::<gst::Structure>().unwrap();
            if name == "result" {
                let frame = args[1].get::<gst::Buffer>().unwrap();
                let score = read(&frame).score;
                assert_eq!(fields.get::<f64>("score").unwrap(), score);
                // A handler may use the element.
                assert_eq!(element.property::<f64>("last-score"), score);
                element.set_property("source-id", "handler");
            }
            heard.lock().unwrap().push(fields.name().to_string());
            None
        });
    }
    let mut line = Line::new(element, caps());
    line.inspect(0, good_pixels(0));
    assert!(heard.lock().unwrap().is_empty(), "signals were emitted unasked");
    line.element.emit_by_name::<()>("reset-events", &[]);
    line.element.set_property("emit-signals", true);
    line.inspect(1, good_pixels(1));
    line.finish();
    assert_eq!(*heard.lock().unwrap(), ["snarm-result", "snarm-defect-begin", "snarm-defect-end"]);
    assert_eq!(line.element.property::<String>("source-id"), "handler");
}

#[test]
fn frames_without_times_make_defects_too() {
    init();
    let mut line = Line::new(detector(&[("threshold", "0"), ("hold-time", "1000000000")]), caps());
    for threshold in [0.0, 1.0] {
        line.element.set_property("threshold", threshold);
        let mut frame = buffer(0, good_pixels(0));
        frame.get_mut().unwrap().set_pts(None);
        line.harness.push(frame).unwrap();
    }
    let ends = line.element_messages("snarm-defect-end");
    assert_eq!((field(&ends[0], "begin"), field(&ends[0], "end")), (None, None));
}

#[test]
fn a_jump_of_frames_without_durations_ends_the_defect_and_is_no_step() {
    init();
    let mut line = Line::new(detector(&[("threshold", "0")]), caps());
    let late = gst::ClockTime::from_seconds(3600);
    for (n, at) in (0..).zip([time(0), Some(late), None, None, None]) {
        let mut frame = buffer(n, good_pixels(n));
        let inside = frame.get_mut().unwrap();
        inside.set_pts(at);
        inside.set_duration(None);
        line.harness.push(frame).unwrap();
    }
    line.finish();
    let ends = line.element_messages("snarm-defect-end");
    assert_eq!(ends.len(), 2);
    assert_eq!((field(&ends[0], "begin"), field(&ends[0], "end")), (time(0), time(1)));
    assert_eq!(ends[0].get::<&str>("reason").unwrap(), "jump");
    let end = time(4).map(|since| late + since);
    assert_eq!((field(&ends[1], "begin"), field(&ends[1], "end")), (Some(late), end));
    assert_eq!(ends[1].get::<u64>("frames").unwrap(), 4);
}
