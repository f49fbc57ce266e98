//! `snarmdetect`: what it attaches, and that it touches nothing else.

use std::path::Path;
use std::sync::Arc;

use gst::glib::types::Type;
use gst::prelude::*;
use gst_video::prelude::*;
use snarm_core::frame::PixelFormat;
use snarm_core::registry;

use crate::common::{
    self, HEIGHT, Line, WIDTH, bad_pixels, bank, buffer, bytes, caps, caps_of, detector, format_names,
    good_pixels, init,
};

/// The structure of the meta of `buffer`.
fn meta(buffer: &gst::BufferRef) -> gst::Structure {
    gst::meta::CustomMeta::from_buffer(buffer, "SnarmAnomalyMeta").unwrap().structure().to_owned()
}

/// A frame of repeatable bytes whose rows are `padding` bytes longer than they need to be.
fn noise_frame(info: &gst_video::VideoInfo, format: PixelFormat, padding: usize) -> gst::Buffer {
    let (width, height) = (info.width() as usize, info.height() as usize);
    let (mut offsets, mut strides, mut size) = (Vec::new(), Vec::new(), 0);
    for plane in 0..format.n_planes() {
        let (row, rows) = format.plane_size(plane, width, height).unwrap();
        let stride = (row + padding).next_multiple_of(4);
        offsets.push(size);
        strides.push(stride as i32);
        size += stride * rows;
    }
    let samples = (0..size as u64).map(common::noise).collect::<Vec<_>>();
    let mut buffer = gst::Buffer::from_mut_slice(samples);
    gst_video::VideoMeta::add_full(
        buffer.get_mut().unwrap(),
        gst_video::VideoFrameFlags::empty(),
        info.format(),
        info.width(),
        info.height(),
        &offsets,
        &strides,
    )
    .unwrap();
    buffer
}

#[test]
fn pixels_are_untouched_in_every_format_and_with_padded_strides() {
    init();
    for (format, name) in format_names() {
        for padding in [0, 24] {
            let caps = caps_of(&name, 50, 34, 25);
            let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
            let mut line = Line::new(detector(&[]), caps);
            let before = noise_frame(&info, format, padding);
            let expected = bytes(&before);
            let after = line.harness.push_and_pull(before).unwrap();
            assert_eq!(bytes(&after), expected, "{name}, padding {padding}");
            assert!(meta(&after).get::<bool>("analysed").unwrap(), "{name}, padding {padding}");
        }
    }
}

#[test]
fn padding_between_rows_does_not_change_the_score() {
    init();
    let caps = caps_of("I420", 50, 34, 25);
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    let flat = |padding| {
        // One grey level per plane: equal frames, whatever lies between their rows.
        let mut buffer = noise_frame(&info, PixelFormat::I420, padding);
        let mut frame =
            gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
        for plane in 0..3 {
            let (stride, width) =
                (frame.plane_stride()[plane as usize] as usize, frame.comp_width(plane) as usize);
            for row in frame.plane_data_mut(plane).unwrap().chunks_mut(stride) {
                row[..width].fill(90 + 20 * plane as u8);
            }
        }
        drop(frame);
        let mut line = Line::new(detector(&[]), caps.clone());
        meta(&line.harness.push_and_pull(buffer).unwrap()).get::<f64>("score").unwrap()
    };
    assert_eq!(flat(0), flat(40));
}

#[test]
fn every_buffer_carries_every_field_with_its_type() {
    init();
    let detector = detector(&[("source-id", "camera 1"), ("threshold", "0"), ("pixel-threshold", "0")]);
    let mut line = Line::new(detector, caps());
    for n in 0..3 {
        let out = line.harness.push_and_pull(buffer(n, good_pixels(n))).unwrap();
        let meta = meta(&out);
        let fields = [
            ("version", Type::U32),
            ("analysed", Type::BOOL),
            ("stale", Type::BOOL),
            ("frame-number", Type::U64),
            ("score", Type::F64),
            ("score-raw", Type::F64),
            ("score-max", Type::F64),
            ("threshold", Type::F64),
            ("threshold-low", Type::F64),
            ("pixel-threshold", Type::F64),
            ("anomalous", Type::BOOL),
            ("verdict", Type::STRING),
            ("reason", Type::STRING),
            ("light", Type::F64),
            ("sharpness", Type::F64),
            ("area", Type::F64),
            ("regions", gst::Array::static_type()),
            ("frame-width", Type::U32),
            ("frame-height", Type::U32),
            ("roi-x", Type::F64),
            ("roi-y", Type::F64),
            ("roi-w", Type::F64),
            ("roi-h", Type::F64),
            ("map-x", Type::F64),
            ("map-y", Type::F64),
            ("map-w", Type::F64),
            ("map-h", Type::F64),
            ("map", gst::Buffer::static_type()),
            ("latency", Type::U64),
            ("source-id", Type::STRING),
            ("model-id", Type::STRING),
            ("bank-id", Type::STRING),
            ("bank-generation", Type::U32),
            ("device", Type::STRING),
            ("precision", Type::STRING),
        ];
        let found = meta.iter().map(|(name, value)| (name.as_str(), value.type_())).collect::<Vec<_>>();
        assert_eq!(found, fields);
        assert_eq!(meta.get::<u64>("frame-number").unwrap(), n);
        assert_eq!(meta.get::<String>("source-id").unwrap(), "camera 1");
        assert_eq!(meta.get::<String>("verdict").unwrap(), "anomalous");
        assert_eq!(meta.get::<f64>("threshold-low").unwrap(), -1.0);
        assert_eq!(meta.get::<u32>("frame-width").unwrap(), WIDTH as u32);
        assert!(meta.get::<u64>("latency").unwrap() > 0);
        let regions = meta.get::<gst::Array>("regions").unwrap();
        let region = regions.first().unwrap().get::<gst::Structure>().unwrap();
        assert_eq!(region.name(), "region");
        assert_eq!(region.get::<u32>("id").unwrap(), 0);
        for name in ["x", "y", "w", "h", "area", "score", "score-mean", "cx", "cy"] {
            let value = region.get::<f64>(name).unwrap();
            assert!((0.0..=1.0).contains(&value), "{name} {value}");
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    init();
    let mut line = Line::new(detector(&[("threshold", "0"), ("pixel-threshold", "0")]), caps());
    let out = line.harness.push_and_pull(buffer(0, bad_pixels(0))).unwrap();
    let read = gstsnarm::meta::read(&out).unwrap();
    assert_eq!(read.score, meta(&out).get::<f64>("score").unwrap());
    assert_eq!(read.bank_id, registry::bank(Path::new(bank())).unwrap().digest());
    let mut copy = gst::Buffer::new();
    gstsnarm::meta::attach(copy.get_mut().unwrap(), &read).unwrap();
    assert_eq!(gstsnarm::meta::read(&copy).as_ref(), Some(&read));
    // A second result takes the place of the first.
    gstsnarm::meta::attach(copy.get_mut().unwrap(), &read).unwrap();
    assert_eq!(copy.iter_meta::<gst::Meta>().count(), 1);
}

#[test]
fn the_map_is_a_grey_picture_of_the_frames_aspect_of_the_asked_depth() {
    init();
    // Frames of 4:3: an input of 8 x 11 cells of 32 pixels where it has their aspect.
    let folder = tempfile::tempdir().unwrap();
    for (crop, side) in [("full", (320, 320)), ("aspect", (352, 256))] {
        let bank = folder.path().join(crop);
        common::learn_as(&bank, 0, &[("crop", crop), ("encoder", "snarm-tiny")]);
        check_maps(bank.to_str().unwrap(), side);
    }
}

fn check_maps(bank: &str, side: (u32, u32)) {
    let maps = ["gray8", "gray16", "none"].map(|format| {
        let mut line = Line::new(detector(&[("bank-location", bank), ("map-format", format)]), caps());
        gstsnarm::meta::read(&line.harness.push_and_pull(buffer(0, bad_pixels(0))).unwrap()).unwrap()
    });
    assert!(maps[2].map.is_none());
    let samples = [(0, gst_video::VideoFormat::Gray8, 255.0), (1, gst_video::VideoFormat::Gray16Le, 65535.0)];
    for (i, format, full) in samples {
        let map = maps[i].map.as_ref().unwrap();
        let video = map.meta::<gst_video::VideoMeta>().unwrap();
        assert_eq!((video.format(), video.width(), video.height()), (format, side.0, side.1));
        assert_eq!(map.size(), video.stride()[0] as usize * video.height() as usize);
        let data = bytes(map);
        let peak = match i {
            0 => f64::from(*data.iter().max().unwrap()),
            _ => f64::from(data.chunks(2).map(|s| u16::from_le_bytes([s[0], s[1]])).max().unwrap()),
        };
        assert!(
            (peak / full - maps[i].score_max).abs() <= 0.51 / full,
            "peak {peak} of {}",
            maps[i].score_max
        );
    }
}

#[test]
fn a_blotch_scores_above_every_good_frame() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    let mut score = |n, pixels| {
        let out = line.harness.push_and_pull(buffer(n, pixels)).unwrap();
        meta(&out).get::<f64>("score").unwrap()
    };
    let good = (20..24).map(|n| score(n, good_pixels(n))).fold(0.0, f64::max);
    let bad = score(24, bad_pixels(24));
    assert!(bad > good, "blotch {bad}, good at most {good}");
    assert_eq!(line.element.property::<f64>("last-score"), bad);
}

#[test]
fn gap_and_corrupted_buffers_pass_unanalysed() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    for flag in [gst::BufferFlags::GAP, gst::BufferFlags::CORRUPTED] {
        let mut frame = buffer(0, good_pixels(0));
        frame.get_mut().unwrap().set_flags(flag);
        let out = line.harness.push_and_pull(frame).unwrap();
        assert!(out.flags().contains(flag), "{flag:?} was taken off");
        let meta = gstsnarm::meta::read(&out).unwrap();
        assert!(!meta.analysed && !meta.is_anomalous() && meta.map.is_none());
        assert_eq!((meta.verdict.name(), meta.score), ("unknown", -1.0));
    }
    assert_eq!(line.element.property::<f64>("last-score"), -1.0);
}

#[test]
fn the_threshold_follows_property_and_controller_while_playing() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    // The threshold of every bank is 0.5; that of pixels is its own.
    let calibrated = common::calibration(&registry::bank(Path::new(bank())).unwrap());
    assert_ne!(calibrated.pixel_threshold, 0.5);
    let element = line.element.clone();
    let mut push =
        |n| gstsnarm::meta::read(&line.harness.push_and_pull(buffer(n, good_pixels(n))).unwrap()).unwrap();
    let first = push(0);
    assert_eq!((first.threshold, first.pixel_threshold), (0.5, calibrated.pixel_threshold));
    element.set_property("threshold", 0.0);
    element.set_property("pixel-threshold", 0.25);
    let all = push(1);
    assert!(all.is_anomalous() && all.threshold == 0.0 && all.pixel_threshold == 0.25);
    element.set_property("threshold", 1.0);
    element.set_property("max-regions", 0_u32);
    let none = push(2);
    assert!(none.threshold == 1.0 && none.regions.is_empty());
    element.set_property("threshold", -1.0);
    element.set_property("pixel-threshold", -1.0);
    let last = push(3);
    assert_eq!((last.threshold, last.pixel_threshold), (0.5, calibrated.pixel_threshold));
    assert!(element.find_property("threshold").unwrap().flags().contains(gst::PARAM_FLAG_CONTROLLABLE));
}

#[test]
fn odd_sizes_stills_and_a_caps_change_are_inspected() {
    init();
    let mut line = Line::new(detector(&[]), caps_of("RGB", 17, 33, 0));
    for (format, width, height, fps) in [
        ("RGB", 17, 33, 0),
        ("I420", 17, 33, 0),
        ("NV12", 33, 17, 30),
        ("YUY2", 17, 33, 25),
        ("GRAY8", 16, 16, 25),
        ("BGRx", 640, 16, 25),
    ] {
        let caps = caps_of(format, width, height, fps);
        let size = gst_video::VideoInfo::from_caps(&caps).unwrap().size();
        line.harness.set_src_caps(caps);
        let out = line.harness.push_and_pull(buffer(0, vec![128; size])).unwrap();
        let meta = gstsnarm::meta::read(&out).unwrap();
        assert!(meta.analysed, "{format}");
        assert_eq!(
            (meta.resolution.width as usize, meta.resolution.height as usize),
            (width, height),
            "{format}"
        );
    }
}

#[test]
fn two_elements_share_one_bank_and_one_encoder() {
    init();
    // A bank of its own, so that no other test holds it.
    let location = common::scratch(&format!("two-{}.bank", std::process::id()));
    common::learn(&location, 99);
    let element = || {
        let location = location.to_str().unwrap();
        gst::ElementFactory::make("snarmdetect").property("bank-location", location).build().unwrap()
    };
    let lines = [Line::new(element(), caps()), Line::new(element(), caps())];
    let bank = registry::bank(&location).unwrap();
    let encoder = registry::encoder_for(&bank, None, common::how(None)).unwrap();
    let held = Arc::strong_count(&bank);
    assert!(held >= 3, "the two elements hold other banks than the registry's: {held}");
    assert!(Arc::strong_count(&encoder) >= 3, "the two elements hold other encoders than the registry's");
    for line in &lines {
        line.element.set_state(gst::State::Null).unwrap();
    }
    assert_eq!(Arc::strong_count(&bank), 1, "a stopped element holds on to its bank");
    std::fs::remove_file(location).unwrap();
}

#[test]
fn the_loaded_message_says_what_was_loaded() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    let loaded = line.element_message("snarm-bank-loaded");
    let bank = registry::bank(Path::new(common::bank())).unwrap();
    assert_eq!(loaded.get::<String>("location").unwrap(), common::bank());
    assert_eq!(loaded.get::<String>("bank-id").unwrap(), bank.digest());
    assert_eq!(loaded.get::<u32>("generation").unwrap(), 0);
    assert_eq!(loaded.get::<u64>("vectors").unwrap(), bank.vectors() as u64);
    assert!(loaded.get::<u64>("load-time").unwrap() > 0);
}

#[test]
fn results_are_one_line_of_json_per_frame_with_what_the_meta_says() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.jsonl");
    let detector = detector(&[
        ("results-location", location.to_str().unwrap()),
        ("source-id", "line \"A\""),
        ("threshold", "0"),
        ("pixel-threshold", "0"),
    ]);
    let mut line = Line::new(detector, caps());
    for n in 0..3_u64 {
        let mut frame = buffer(n, bad_pixels(n));
        if n == 2 {
            frame.get_mut().unwrap().set_flags(gst::BufferFlags::GAP);
        }
        let meta = gstsnarm::meta::read(&line.harness.push_and_pull(frame).unwrap()).unwrap();
        // Flushed per line: readable while the element plays.
        let text = std::fs::read_to_string(&location).unwrap();
        assert_eq!(text.lines().count() as u64, n + 1);
        let json: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(json["frame-number"], n);
        assert_eq!(json["timestamp"], n * 40_000_000);
        assert_eq!(json["running-time"], n * 40_000_000);
        assert_eq!(json["duration"], 40_000_000);
        assert_eq!(json["verdict"], meta.verdict.name());
        let close =
            |value: &serde_json::Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-12;
        assert!(close(&json["score"], meta.score));
        assert!(close(&json["threshold"], meta.threshold));
        assert!(close(&json["anomaly"]["area"], meta.area));
        assert_eq!(json["source-id"], "line \"A\"");
        assert_eq!(json["resolution"]["width"], WIDTH);
        assert_eq!(json["resolution"]["height"], HEIGHT);
        let objects = json["objects"].as_array().unwrap();
        assert_eq!(objects.len(), meta.regions.len());
        assert_eq!(json["regions"].as_array().unwrap().len(), meta.regions.len());
        if n < 2 {
            assert_eq!(objects[0]["roi_type"], "anomaly");
            assert_eq!(objects[0]["x"], (meta.regions[0].rect.x * WIDTH as f64).round() as i64);
            assert!(close(&objects[0]["detection"]["confidence"], meta.regions[0].score));
            assert!(close(&objects[0]["detection"]["bounding_box"]["x_min"], meta.regions[0].rect.x));
        }
    }
}

#[test]
fn a_result_says_when_its_frame_was_captured_where_the_source_does() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.jsonl");
    let settings =
        [("results-location", location.to_str().unwrap()), ("message-mode", "all"), ("interval", "2")];
    let mut line = Line::new(detector(&settings), caps());
    let (unix, ntp) = ("timestamp/x-unix", "timestamp/x-ntp");
    let since_1900 = 2_208_988_800;
    for (n, (told, expected)) in [
        (vec![(unix, 1_700_000_000)], Some(1_700_000_000)),
        // The result of the frame before, but the time of its own capture.
        (vec![(ntp, since_1900 + 1_700_000_001)], Some(1_700_000_001)),
        (vec![(ntp, since_1900 + 5), (unix, 1_700_000_002)], Some(1_700_000_002)),
        (vec![], None),
        (vec![("timestamp/x-ptp", 7), (ntp, 7)], None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut frame = buffer(n as u64, good_pixels(n as u64));
        for (reference, seconds) in told {
            let caps = gst::Caps::new_empty_simple(reference);
            let time = gst::ClockTime::from_seconds(seconds);
            gst::ReferenceTimestampMeta::add(frame.get_mut().unwrap(), &caps, time, None);
        }
        let meta = gstsnarm::meta::read(&line.harness.push_and_pull(frame).unwrap()).unwrap();
        let expected = expected.map(|seconds: u64| 1_000_000_000 * seconds);
        assert_eq!(meta.capture_time, expected, "{n}");
        let text = std::fs::read_to_string(&location).unwrap();
        let json: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(json["capture-time"], serde_json::json!(expected), "{n}");
        // The frames between have no message.
        if meta.analysed {
            let result = line.element_messages("snarm-result").pop().unwrap();
            assert_eq!(result.get::<u64>("capture-time").ok(), expected, "{n}");
        }
    }
}

/// A named pipe, and what opens it for reading without waiting for a writer.
fn pipe(folder: &Path) -> (String, impl Fn() -> std::fs::File) {
    let location = folder.join("run.pipe");
    assert!(std::process::Command::new("mkfifo").arg(&location).status().unwrap().success());
    let name = location.to_str().unwrap().to_owned();
    (name, move || std::fs::File::options().read(true).write(true).open(&location).unwrap())
}

#[test]
fn a_full_pipe_keeps_no_reader_of_properties_waiting() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let (location, open) = pipe(folder.path());
    let mut reader = open();
    let mut line = Line::new(detector(&[("results-location", &location), ("interval", "100000")]), caps());
    let element = line.element.clone();
    let frames = 200;
    let thread = |name: &str| std::thread::Builder::new().name(name.into());
    let writer = thread("writer").spawn(move || line.push_good(frames)).unwrap();
    let count = |element: &gst::Element| {
        let stats = element.emit_by_name::<gst::Structure>("snapshot-stats", &[]);
        stats.get::<u64>("frames").unwrap()
    };
    let (sender, counts) = std::sync::mpsc::channel();
    let ask = move || {
        while sender.send(count(&element)).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    let asker = thread("asker").spawn(ask).unwrap();
    // Until the pipe takes no more.
    let (mut last, mut alike) = (0, 0);
    while last < 2 || alike < 5 {
        let now =
            counts.recv_timeout(std::time::Duration::from_secs(10)).expect("stats while a pipe is full");
        alike = if now == last { alike + 1 } else { 0 };
        last = now;
    }
    assert!(last < frames, "the pipe was never full");
    let mut buffer = [0; 4096];
    let mut lines = 0;
    while lines < frames {
        let n = std::io::Read::read(&mut reader, &mut buffer).unwrap();
        lines += buffer[..n].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    writer.join().unwrap();
    drop(counts);
    asker.join().unwrap();
}

#[test]
fn a_reader_of_the_results_that_leaves_is_a_warning_and_frames_go_on() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let (location, open) = pipe(folder.path());
    let reader = open();
    let mut line = Line::new(detector(&[("results-location", &location)]), caps());
    assert!(line.inspect(0, good_pixels(0)).analysed);
    drop(reader);
    for n in 1..4 {
        assert!(line.inspect(n, good_pixels(n)).analysed);
    }
    let warnings = line.heard(gst::MessageType::Warning);
    assert_eq!(warnings.len(), 1);
    let gst::MessageView::Warning(warning) = warnings[0].view() else { unreachable!() };
    assert!(warning.error().matches(gst::ResourceError::Write), "{}", warning.error());
    assert!(line.heard(gst::MessageType::Error).is_empty());
}

#[test]
fn strides_are_invited_only_where_downstream_reads_them() {
    init();
    for offered in [true, false] {
        let mut line = Line::new(detector(&[]), caps());
        if offered {
            line.harness.add_propose_allocation_meta(gst_video::VideoMeta::meta_api(), None);
            line.harness.add_propose_allocation_meta(gst_video::VideoCropMeta::meta_api(), None);
        }
        line.harness.push_and_pull(buffer(0, good_pixels(0))).unwrap();
        let mut query = gst::query::Allocation::new(Some(&caps()), true);
        let answered = line.harness.srcpad().unwrap().peer_query(query.query_mut());
        let found = answered && query.find_allocation_meta::<gst_video::VideoMeta>().is_some();
        assert_eq!(found, offered);
        assert!(query.find_allocation_meta::<gst_video::VideoCropMeta>().is_none(), "cropping was invited");
    }
}
