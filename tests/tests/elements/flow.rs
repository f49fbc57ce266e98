//! Which frames `snarmdetect` analyses, which it sends on, and in what order.

use gst::prelude::*;

use crate::common::{Line, bad_pixels, buffer, caps, detector, good_pixels, init, read};

/// What came out so far.
fn pulled(line: &mut Line) -> Vec<gst::Buffer> {
    std::iter::from_fn(|| line.harness.try_pull()).collect()
}

#[test]
fn each_nth_frame_is_analysed_and_those_between_carry_its_result() {
    init();
    let mut line = Line::new(detector(&[("interval", "3")]), caps());
    let metas: Vec<_> = (0..7).map(|n| line.inspect(n, bad_pixels(n))).collect();
    let analysed: Vec<bool> = metas.iter().map(|meta| meta.analysed).collect();
    assert_eq!(analysed, [true, false, false, true, false, false, true]);
    for (n, meta) in metas.iter().enumerate() {
        let source = &metas[n - n % 3];
        assert_eq!(meta.stale, !meta.analysed);
        assert_eq!(meta.frame_number, n as u64);
        assert_eq!((meta.score, &meta.regions), (source.score, &source.regions));
        assert_eq!(meta.map.is_some(), source.map.is_some());
    }
    assert_ne!(metas[0].score, metas[3].score, "frames of equal scores prove nothing");
    // A shorter interval counts at once.
    line.element.set_property("interval", 1_u32);
    assert!(line.inspect(7, good_pixels(7)).analysed);
}

#[test]
fn switched_off_all_frames_pass_without_a_verdict() {
    init();
    let mut line = Line::new(detector(&[("pass", "anomalous"), ("threshold", "0")]), caps());
    assert!(line.inspect(0, good_pixels(0)).analysed);
    line.element.set_property("enabled", false);
    let meta = line.inspect(1, good_pixels(1));
    assert!(!meta.analysed && !meta.stale && meta.map.is_none());
    assert_eq!((meta.verdict.name(), meta.score, meta.frame_number), ("unknown", -1.0, 1));
    line.element.set_property("enabled", true);
    assert!(line.inspect(2, good_pixels(2)).analysed);
}

#[test]
fn a_result_is_repeated_for_nothing_but_what_it_belongs_to() {
    init();
    let segment = || gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new());
    for change in ["caps", "enabled", "segment", "stream-start"] {
        let mut line = Line::new(detector(&[("interval", "10")]), caps());
        assert!(line.inspect(0, bad_pixels(0)).analysed);
        assert!(line.inspect(1, bad_pixels(1)).stale);
        let mut next = good_pixels(2);
        match change {
            "caps" => {
                line.harness.set_src_caps(crate::common::caps_of("GRAY8", 16, 16, 25));
                next = vec![90; 256];
            }
            "enabled" => {
                line.element.set_property("enabled", false);
                assert_eq!(line.inspect(2, good_pixels(2)).verdict.name(), "unknown");
                line.element.set_property("enabled", true);
            }
            "segment" => assert!(line.harness.push_event(segment())),
            _ => assert!(line.harness.push_event(gst::event::StreamStart::new("another"))),
        }
        assert!(line.inspect(3, next).analysed, "{change}");
    }
}

#[test]
fn pass_keeps_frames_back_and_leaves_gaps() {
    init();
    for (pass, kept) in [("all", "0123"), ("anomalous", "13"), ("normal", "0")] {
        let mut line = Line::new(detector(&[("pass", pass)]), caps());
        for (n, verdict) in ["n", "a", "u", "a"].iter().enumerate() {
            let (threshold, low) = match *verdict {
                "a" => (0.0, -1.0),
                "u" => (1.0, 0.0),
                _ => (1.0, -1.0),
            };
            line.element.set_property("threshold", threshold);
            line.element.set_property("threshold-low", low);
            line.harness.push(buffer(n as u64, good_pixels(n as u64))).unwrap();
        }
        let frames = pulled(&mut line);
        let numbers: String = frames.iter().map(|frame| read(frame).frame_number.to_string()).collect();
        assert_eq!(numbers, kept, "{pass}");
        let events = std::iter::from_fn(|| line.harness.try_pull_event());
        let gaps: Vec<_> = events
            .filter_map(|event| match event.view() {
                gst::EventView::Gap(gap) => Some(gap.get().0.mseconds() / 40),
                _ => None,
            })
            .collect();
        let missing: Vec<u64> = (0..4).filter(|n| !kept.contains(&n.to_string())).collect();
        assert_eq!(gaps, missing, "{pass}");
        let stats = line.element.property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("dropped").unwrap(), missing.len() as u64);
    }
}

/// Waits until so many frames have been told of.
fn wait_for(line: &Line, frames: u64) {
    for _ in 0..6000 {
        if line.element.property::<gst::Structure>("stats").get::<u64>("frames").unwrap() >= frames {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("frame {frames} is not told of");
}

#[test]
fn a_frame_after_one_that_was_kept_back_says_so() {
    init();
    for policy in ["block", "skip"] {
        let mut line = Line::new(detector(&[("pass", "anomalous"), ("busy-policy", policy)]), caps());
        for (n, verdict) in (0..).zip("aannaa".chars()) {
            line.element.set_property("threshold", if verdict == 'a' { 0.0 } else { 1.0 });
            line.harness.push(buffer(n, good_pixels(n))).unwrap();
            wait_for(&line, n + 1);
        }
        line.finish();
        let frames = pulled(&mut line);
        let marked = frames.iter().skip(1).map(|f| f.flags().contains(gst::BufferFlags::DISCONT));
        assert_eq!(marked.collect::<Vec<_>>(), [false, true, false], "{policy}");
    }
}

#[test]
fn a_defect_whose_frames_wait_ends_once_when_the_analysis_is_switched_off() {
    init();
    let mut line = Line::new(detector(&[("busy-policy", "skip"), ("threshold", "0")]), caps());
    assert!(line.inspect(0, good_pixels(0)).is_anomalous());
    for n in 1..3 {
        line.harness.push(buffer(n, good_pixels(n))).unwrap();
    }
    line.element.set_property("enabled", false);
    for n in 3..5 {
        line.harness.push(buffer(n, good_pixels(n))).unwrap();
    }
    line.finish();
    assert_eq!(line.element_messages("snarm-defect-begin").len(), 1);
    assert_eq!(line.element_messages("snarm-defect-end").len(), 1);
    let metas: Vec<_> = pulled(&mut line).iter().map(|frame| read(frame)).collect();
    let unknown: Vec<bool> = metas.iter().map(|meta| meta.verdict.name() == "unknown").collect();
    assert_eq!(unknown, [false, false, true, true], "frames that waited for a result have none");
}

#[test]
fn a_busy_analysis_lets_frames_pass_in_order_with_its_result() {
    init();
    let mut line = Line::new(detector(&[("busy-policy", "skip")]), caps());
    let mut frames = 0;
    // Until three analyses have overtaken some frames.
    while frames < 10 || line.element.property::<gst::Structure>("stats").get::<u64>("analysed").unwrap() < 3
    {
        assert!(frames < 10_000, "nothing is analysed");
        let mut frame = buffer(frames, bad_pixels(frames));
        if frames == 5 {
            frame.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
        }
        line.harness.push(frame).unwrap();
        frames += 1;
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    line.finish();
    let metas: Vec<_> = pulled(&mut line).iter().map(|frame| (frame.pts(), read(frame))).collect();
    assert_eq!(metas.len() as u64, frames, "a frame was lost");
    let mut score = -1.0;
    for (n, (pts, meta)) in (0..).zip(&metas) {
        assert_eq!(*pts, Some(gst::ClockTime::from_mseconds(40 * n)));
        assert_eq!(meta.frame_number, n);
        if meta.analysed {
            score = meta.score;
        } else if n == 5 {
            assert!(!meta.stale && meta.score == -1.0);
            continue;
        }
        assert!(meta.analysed != meta.stale);
        assert_eq!(meta.score, score, "frame {n} has another result than the one it waited for");
    }
    let analysed = metas.iter().filter(|(_, meta)| meta.analysed).count();
    assert!(metas[0].1.analysed && (3..metas.len() - 1).contains(&analysed), "{analysed} analysed");
    let stats = line.element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("analysed").unwrap(), analysed as u64);
    assert_eq!(stats.get::<u64>("skipped").unwrap(), frames - analysed as u64);
}

#[test]
fn results_of_a_busy_analysis_come_without_another_frame() {
    init();
    let mut line = Line::new(detector(&[("busy-policy", "skip")]), caps());
    line.harness.push(buffer(0, good_pixels(0))).unwrap();
    // Pulling waits; nothing else pushes.
    assert!(read(&line.harness.pull().unwrap()).analysed);
}

#[test]
fn a_change_of_policy_or_caps_keeps_the_order() {
    init();
    let mut line = Line::new(detector(&[("busy-policy", "skip")]), caps());
    for n in 0..3 {
        line.harness.push(buffer(n, good_pixels(n))).unwrap();
    }
    line.harness.set_src_caps(crate::common::caps_of("GRAY8", 16, 16, 25));
    for n in 3..5 {
        line.harness.push(buffer(n, vec![90; 256])).unwrap();
    }
    line.element.set_property_from_str("busy-policy", "block");
    line.harness.push(buffer(5, vec![90; 256])).unwrap();
    let metas: Vec<_> = pulled(&mut line).iter().map(|frame| read(frame)).collect();
    let numbers: Vec<u64> = metas.iter().map(|meta| meta.frame_number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    let widths: Vec<u32> = metas.iter().map(|meta| meta.resolution.width).collect();
    assert_eq!(widths, [64, 64, 64, 16, 16, 16]);
    assert!(metas[5].analysed);
}

#[test]
fn a_flush_drops_what_waits() {
    init();
    let mut line = Line::new(detector(&[("busy-policy", "skip")]), caps());
    for n in 0..3 {
        line.harness.push(buffer(n, good_pixels(n))).unwrap();
    }
    assert!(line.harness.push_event(gst::event::FlushStart::new()));
    assert!(line.harness.push_event(gst::event::FlushStop::new(true)));
    pulled(&mut line);
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(line.harness.push_event(gst::event::Segment::new(&segment)));
    line.harness.push(buffer(3, good_pixels(3))).unwrap();
    line.finish();
    let metas: Vec<_> = pulled(&mut line).iter().map(|frame| read(frame)).collect();
    assert_eq!(metas.len(), 1, "frames from before the flush came after it");
    assert!(metas[0].analysed && metas[0].frame_number == 3);
}
