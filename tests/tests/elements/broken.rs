//! What is not as it should be, from outside: text in another encoding, buffers without a whole frame, clocks that are set.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoFrameFlags, VideoMeta};

use crate::common::{
    HEIGHT, Line, WIDTH, buffer, bytes, caps, caps_of, count, detector, good_pixels, init, read,
};
use crate::overlay::{GREY, anomalous, overlay};

/// Properties that hold paths.
const PATHS: [&str; 6] =
    ["location", "bank-location", "ignore-mask", "results-location", "encoder", "model-location"];

#[test]
fn text_that_is_not_utf8_is_refused_or_taken_as_a_path() {
    init();
    let bytes = Path::new(OsStr::from_bytes(b"caf\xe9\xff"));
    let mut tried = 0;
    for name in ["snarmbank", "snarmdetect", "snarmoverlay"] {
        let element = gst::ElementFactory::make(name).build().unwrap();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        for property in element.list_properties().iter().filter(|p| p.owner_type() == element.type_()) {
            let writable = property.flags().contains(gst::glib::ParamFlags::WRITABLE);
            if property.value_type() != String::static_type() || !writable {
                continue;
            }
            tried += 1;
            // A path is handed to C as the bytes that it is.
            element.set_property_from_value(property.name(), &bytes.to_value());
            let warnings: Vec<_> = bus.iter().collect();
            if PATHS.contains(&property.name()) {
                let found = element.property::<PathBuf>(property.name());
                assert_eq!(found, bytes, "{name} {}", property.name());
                assert!(warnings.is_empty());
                continue;
            }
            let default = property.default_value().get::<Option<String>>().unwrap();
            let found = element.property::<Option<String>>(property.name());
            assert_eq!(found, default, "{name} {}", property.name());
            let [gst::MessageView::Warning(warning)] =
                &warnings.iter().map(|m| m.view()).collect::<Vec<_>>()[..]
            else {
                panic!("{name} {}: {warnings:?}", property.name());
            };
            let text = warning.error().message().to_owned();
            assert!(text.starts_with(property.name()) && text.contains("found \"caf\\xE9\\xFF\""), "{text}");
            element.set_property(property.name(), "caf\u{e9}");
            assert_eq!(element.property::<String>(property.name()), "caf\u{e9}", "text is no longer taken");
        }
    }
    assert_eq!(tried, 16, "properties that hold text");
}

#[test]
fn no_text_is_the_default() {
    init();
    let mut tried = 0;
    for name in ["snarmbank", "snarmdetect", "snarmoverlay"] {
        let element = gst::ElementFactory::make(name).build().unwrap();
        for property in element.list_properties().iter().filter(|p| p.owner_type() == element.type_()) {
            let writable = property.flags().contains(gst::glib::ParamFlags::WRITABLE);
            if property.value_type() != String::static_type() || !writable {
                continue;
            }
            tried += 1;
            let default = property.default_value().get::<Option<String>>().unwrap();
            element.set_property(property.name(), "1");
            element.set_property(property.name(), None::<&str>);
            assert_eq!(
                element.property::<Option<String>>(property.name()),
                default,
                "{name} {}",
                property.name()
            );
        }
    }
    assert!(tried > 0);
}

#[test]
fn a_bank_and_results_of_any_name_are_used() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let [bank, results] = ["bank", "jsonl"].map(|extension| {
        folder.path().join(OsStr::from_bytes(&[b"caf\xe9.", extension.as_bytes()].concat()))
    });
    let learner = gst::ElementFactory::make("snarmbank").property("location", &bank).build().unwrap();
    let mut line = Line::new(learner, caps());
    line.push_good(3);
    line.finish();
    let detector = gst::ElementFactory::make("snarmdetect")
        .property("bank-location", &bank)
        .property("results-location", &results)
        .build()
        .unwrap();
    let mut line = Line::new(detector, caps());
    assert!(line.inspect(0, good_pixels(0)).analysed);
    assert_eq!(std::fs::read_to_string(&results).unwrap().lines().count(), 1);
}

/// Buffers that hold no frame of [`caps`], and why.
fn broken() -> Vec<(&'static str, gst::Buffer)> {
    // Memory that is cut off after it was described, as by a transport that lost its end.
    let cut = |bytes: usize| {
        let mut buffer = gst::Buffer::from_mut_slice(vec![GREY; 3 * WIDTH * HEIGHT]);
        let inside = buffer.get_mut().unwrap();
        let (width, height) = (WIDTH as u32, HEIGHT as u32);
        VideoMeta::add(inside, VideoFrameFlags::empty(), VideoFormat::Rgb, width, height).unwrap();
        let left = inside.size() - bytes;
        inside.resize(0..left).unwrap();
        buffer
    };
    vec![
        ("short", gst::Buffer::from_mut_slice(vec![GREY; 100])),
        ("empty", gst::Buffer::new()),
        ("one byte short", gst::Buffer::from_mut_slice(vec![GREY; 3 * WIDTH * HEIGHT - 1])),
        ("described, without its last row", cut(3 * WIDTH)),
        ("described, one byte short", cut(1)),
    ]
}

/// A stream in which broken buffers come between whole ones.
fn stream() -> Vec<(bool, gst::Buffer)> {
    let mut frames = Vec::new();
    for (_, broken) in broken() {
        frames.push((true, gst::Buffer::from_mut_slice(good_pixels(frames.len() as u64))));
        frames.push((false, broken.copy()));
        frames.push((false, broken));
    }
    frames.push((true, gst::Buffer::from_mut_slice(good_pixels(99))));
    for (n, (_, frame)) in frames.iter_mut().enumerate() {
        let inside = frame.make_mut();
        inside.set_pts(gst::ClockTime::from_mseconds(40 * n as u64));
        inside.set_duration(gst::ClockTime::from_mseconds(40));
    }
    frames
}

#[test]
fn a_broken_buffer_is_a_warning_and_the_stream_goes_on() {
    init();
    let kinds = broken().len();
    for policy in ["block", "skip"] {
        let mut line = Line::new(detector(&[("busy-policy", policy)]), caps());
        for (n, (whole, frame)) in stream().into_iter().enumerate() {
            line.harness.push(frame).unwrap();
            // With skip, each frame has an analysis of its own.
            while count(&line.element, "frames") <= n as u64 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            let meta = read(&line.harness.pull().unwrap());
            assert_eq!((meta.analysed, meta.frame_number), (whole, n as u64), "{policy}");
            assert!(whole || (meta.verdict.name() == "unknown" && !meta.stale), "{policy}: {meta:?}");
        }
        line.finish();
        assert_eq!(count(&line.element, "unreadable"), 2 * kinds as u64, "{policy}");
        let warnings = line.warnings();
        assert_eq!(warnings.len(), kinds, "one for each run of broken buffers: {warnings:?}");
        let good = |text: &String| text.contains("expected") && text.contains("analysed=false");
        assert!(warnings.iter().all(good), "{warnings:?}");
        assert!(line.heard(gst::MessageType::Error).is_empty(), "{policy}");
    }
}

#[test]
fn a_frame_after_a_broken_one_is_analysed_whatever_the_interval() {
    init();
    let mut line = Line::new(detector(&[("interval", "3")]), caps());
    let frames = [true, true, true, false, true, true];
    let metas = (0..).zip(frames).map(|(n, whole)| {
        let pixels = if whole { good_pixels(n) } else { vec![GREY; 100] };
        line.inspect(n, pixels)
    });
    let analysed: Vec<bool> = metas.map(|meta| meta.analysed).collect();
    assert_eq!(analysed, [true, false, false, false, true, false]);
}

#[test]
fn a_broken_buffer_is_not_learned_and_not_drawn_on() {
    init();
    let kinds = broken().len();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    let learner = gst::ElementFactory::make("snarmbank").property("location", &location).build().unwrap();
    let mut line = Line::new(learner, caps());
    for (_, frame) in stream() {
        line.harness.push_and_pull(frame).unwrap();
    }
    assert_eq!(count(&line.element, "frames-used"), kinds as u64 + 1);
    assert_eq!(count(&line.element, "frames-unreadable"), 2 * kinds as u64);
    assert_eq!(line.warnings().len(), kinds);
    line.finish();
    assert!(location.exists());

    let mut line = Line::new(overlay(&[]), caps());
    for (whole, mut frame) in stream() {
        gstsnarm::meta::attach(frame.make_mut(), &anomalous()).unwrap();
        let before = bytes(&frame);
        let after = line.harness.push_and_pull(frame).unwrap();
        assert_eq!(bytes(&after) != before, whole);
    }
    assert_eq!(count(&line.element, "unreadable"), 2 * kinds as u64);
    assert_eq!(count(&line.element, "drawn"), kinds as u64 + 1);
    assert_eq!(line.warnings().len(), kinds);
}

#[test]
fn planes_of_other_memories_are_found_where_they_lie() {
    init();
    let caps = caps_of("NV12", WIDTH, HEIGHT, 25);
    let (luma, chroma) = (WIDTH * HEIGHT, WIDTH * HEIGHT / 2);
    for missing in [0, 1] {
        let mut frame = gst::Buffer::from_mut_slice(vec![120; luma]);
        let inside = frame.get_mut().unwrap();
        inside.append_memory(gst::Memory::from_mut_slice(vec![128; chroma]));
        let size = [WIDTH as u32, HEIGHT as u32];
        VideoMeta::add(inside, VideoFrameFlags::empty(), VideoFormat::Nv12, size[0], size[1]).unwrap();
        inside.replace_memory(1, gst::Memory::from_mut_slice(vec![128; chroma - missing]));
        let mut line = Line::new(detector(&[]), caps.clone());
        let meta = read(&line.harness.push_and_pull(frame).unwrap());
        assert_eq!(meta.analysed, missing == 0, "{missing} bytes are missing");
    }
}

#[test]
fn a_clock_that_is_set_ends_a_defect_where_it_was_seen_last() {
    init();
    for (jump, hold) in [(0, "400000000"), (5_000_000, "400000000"), (0, "0")] {
        let mut line = Line::new(detector(&[("hold-time", hold)]), caps());
        let push = |line: &mut Line, at: u64, threshold: f64| {
            line.element.set_property("threshold", threshold);
            let mut frame = buffer(0, good_pixels(0));
            frame.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(at));
            line.harness.push_and_pull(frame).unwrap();
        };
        for n in 0..3 {
            push(&mut line, 100_000 + 40 * n, 0.0);
        }
        // Another defect at once, and good frames after it.
        for n in 0..2 {
            push(&mut line, jump + 40 * n, 0.0);
        }
        for n in 2..14 {
            push(&mut line, jump + 40 * n, 1.0);
        }
        let ends = line.element_messages("snarm-defect-end");
        let told: Vec<_> = ends
            .iter()
            .map(|end| {
                let time = |name| end.get::<gst::ClockTime>(name).unwrap().mseconds();
                (time("begin"), time("end"), end.get::<String>("reason").unwrap())
            })
            .collect();
        let expected = [(100_000, 100_120, "jump".to_owned()), (jump, jump + 80, "normal".to_owned())];
        assert_eq!(told, expected, "to {jump} with {hold}");
        assert_eq!(count(&line.element, "events"), 2);
    }
}

#[test]
fn an_overlay_survives_whatever_a_meta_says() {
    init();
    let style = [
        ("draw", "heatmap+contours+boxes+score+bar+border+roi"),
        ("label-format", "{source} {score:.2} {verdict}"),
        ("heatmap-range", "auto"),
    ];
    let strange = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1e300, -0.5, 0.0, 1e-300];
    let mut line = Line::new(overlay(&style), caps());
    let mut n = 0;
    let mut push = |change: &dyn Fn(&mut gstsnarm::meta::AnomalyMeta), text: Option<&[u8]>| {
        let mut meta = anomalous();
        change(&mut meta);
        let mut frame = buffer(n, vec![GREY; 3 * WIDTH * HEIGHT]);
        let inside = frame.get_mut().unwrap();
        gstsnarm::meta::attach(inside, &meta).unwrap();
        if let Some(text) = text {
            let mut custom = gst::meta::CustomMeta::from_mut_buffer(inside, "SnarmAnomalyMeta").unwrap();
            for name in ["source-id", "verdict", "bank-id"] {
                custom.mut_structure().set(name, Path::new(OsStr::from_bytes(text)).to_owned());
            }
        }
        n += 1;
        line.harness.push_and_pull(frame).unwrap()
    };
    for v in strange {
        push(&|meta| (meta.score, meta.score_max, meta.threshold) = (v, v, v), None);
        push(&|meta| meta.pixel_threshold = v, None);
        push(&|meta| (meta.map_rect.x, meta.map_rect.w) = (v, v), None);
        push(&|meta| (meta.map_rect.y, meta.map_rect.h, meta.seen.x) = (v, 1.0, v), None);
        push(&|meta| (meta.regions[0].rect.x, meta.regions[0].rect.h) = (v, v), None);
    }
    push(&|meta| meta.map = Some(gst::Buffer::new()), None);
    push(&|meta| meta.map.as_mut().unwrap().make_mut().resize(0..10).unwrap(), None);
    push(&|meta| meta.source_id = Some("n".repeat(1 << 20)), None);
    let drawn = push(&|_| (), Some(b"caf\xe9\xff"));
    assert!(bytes(&drawn).iter().any(|byte| *byte != GREY), "a text in another encoding hides the result");
    assert!(line.heard(gst::MessageType::Error).is_empty());
}
