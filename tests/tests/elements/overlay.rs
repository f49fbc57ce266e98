//! `snarmoverlay`.

use gst::prelude::*;
use gstsnarm::meta::AnomalyMeta;
use snarm_core::detect::{Region, Verdict};
use snarm_core::results::{Record, Resolution};
use snarm_core::view::Rect;

use crate::common::{HEIGHT, Line, WIDTH, buffer, bytes, caps, caps_of, format_names, good_pixels, init};

/// A plain grey frame.
pub(crate) const GREY: u8 = 90;

/// What a detector would say of a frame whose lower right quarter is anomalous.
pub(crate) fn anomalous() -> AnomalyMeta {
    init();
    const SIDE: usize = 28;
    let samples = (0..SIDE * SIDE).map(|at| if at % SIDE >= 16 && at / SIDE >= 16 { 240 } else { 20 });
    let mut map = gst::Buffer::from_mut_slice(samples.collect::<Vec<u8>>());
    gst_video::VideoMeta::add(
        map.get_mut().unwrap(),
        gst_video::VideoFrameFlags::empty(),
        gst_video::VideoFormat::Gray8,
        SIDE as u32,
        SIDE as u32,
    )
    .unwrap();
    let rect = Rect { x: 0.57, y: 0.57, w: 0.43, h: 0.43 };
    let record = Record {
        timestamp: None,
        stream_time: None,
        running_time: None,
        duration: None,
        capture_time: None,
        analysed: true,
        stale: false,
        frame_number: 0,
        score: 0.9,
        score_raw: 3.0,
        score_max: 0.94,
        threshold: 0.5,
        threshold_low: -1.0,
        pixel_threshold: 0.5,
        verdict: Verdict::Anomalous,
        reason: None,
        light: 1.0,
        sharpness: 1.0,
        area: 0.18,
        regions: vec![Region { id: 0, rect, area: 0.18, score: 0.94, score_mean: 0.94, cx: 0.78, cy: 0.78 }],
        resolution: Resolution { width: WIDTH as u32, height: HEIGHT as u32 },
        latency: 1,
        source_id: None,
        model_id: "test".into(),
        bank_id: "test".into(),
        bank_generation: 0,
        device: "cpu".into(),
        precision: "f32".into(),
    };
    let rect = Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
    AnomalyMeta { record, seen: Rect::WHOLE, map_rect: rect, map: Some(map) }
}

/// The same of a frame that was not analysed.
pub(crate) fn unknown() -> AnomalyMeta {
    with(|meta| (meta.analysed, meta.verdict) = (false, Verdict::Unknown))
}

/// [`anomalous`] with a change.
pub(crate) fn with(change: impl FnOnce(&mut AnomalyMeta)) -> AnomalyMeta {
    let mut meta = anomalous();
    change(&mut meta);
    meta
}

/// The same for a good frame.
pub(crate) fn normal() -> AnomalyMeta {
    let map = anomalous().map.map(|mut map| {
        let inside = map.make_mut();
        inside.map_writable().unwrap().fill(20);
        map
    });
    with(|meta| {
        (meta.score, meta.verdict) = (0.1, Verdict::Normal);
        (meta.regions, meta.area, meta.map) = (vec![], 0.0, map);
    })
}

/// An overlay with some properties.
pub(crate) fn overlay(properties: &[(&str, &str)]) -> gst::Element {
    init();
    let element = gst::ElementFactory::make("snarmoverlay").build().unwrap();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    element
}

/// Bytes of a grey frame of `caps` after the overlay.
pub(crate) fn drawn(properties: &[(&str, &str)], caps: &gst::Caps, meta: &AnomalyMeta) -> Vec<u8> {
    let size = gst_video::VideoInfo::from_caps(caps).unwrap().size();
    let mut frame = buffer(0, vec![GREY; size]);
    let mut line = Line::new(overlay(properties), caps.clone());
    gstsnarm::meta::attach(frame.get_mut().unwrap(), meta).unwrap();
    bytes(&line.harness.push_and_pull(frame).unwrap())
}

/// Number of pixels of an RGB frame that are not grey any more, in its four quarters.
pub(crate) fn changed(pixels: &[u8]) -> [usize; 4] {
    let mut quarters = [0; 4];
    for (at, pixel) in pixels.chunks(3).enumerate() {
        let quarter = usize::from(at % WIDTH >= WIDTH / 2) + 2 * usize::from(at / WIDTH >= HEIGHT / 2);
        quarters[quarter] += usize::from(pixel != [GREY; 3]);
    }
    quarters
}

#[test]
fn heat_and_contours_are_where_the_map_says() {
    let [upper_left, upper_right, lower_left, lower_right] =
        changed(&drawn(&[("draw", "heatmap+contours")], &caps(), &anomalous()));
    assert!(lower_right > 100, "{lower_right} pixels drawn");
    assert!(upper_left + upper_right + lower_left < 60, "{upper_left} {upper_right} {lower_left}");
}

#[test]
fn every_flag_draws_something_and_no_flag_nothing() {
    init();
    let part = AnomalyMeta { seen: Rect { x: 0.1, y: 0.1, w: 0.7, h: 0.7 }, ..anomalous() };
    for flag in ["heatmap", "contours", "boxes", "score", "bar", "border", "roi"] {
        let count: usize = changed(&drawn(&[("draw", flag)], &caps(), &part)).iter().sum();
        assert!(count > 0, "{flag} draws nothing");
    }
    assert_eq!(changed(&drawn(&[("draw", "")], &caps(), &anomalous())), [0; 4]);
}

#[test]
fn the_label_is_in_its_corner_and_says_what_its_format_says() {
    let corners = ["top-left", "top-right", "bottom-left", "bottom-right"];
    for (expected, corner) in corners.iter().enumerate() {
        let properties = [("draw", "score"), ("position", corner), ("label-format", "{score:.1}")];
        let quarters = changed(&drawn(&properties, &caps(), &anomalous()));
        let fullest = (0..4).max_by_key(|&quarter| quarters[quarter]).unwrap();
        assert_eq!(fullest, expected, "{corner}: {quarters:?}");
    }
    let text = |format| drawn(&[("draw", "score"), ("label-format", format)], &caps(), &anomalous());
    assert_ne!(text("{score:.1}"), text("{verdict}"));
    assert_eq!(text("{score:.1}"), text("0.9"));
}

#[test]
fn a_good_frame_is_left_alone_but_for_its_label() {
    assert_eq!(changed(&drawn(&[("draw", "heatmap+contours+boxes")], &caps(), &normal())), [0; 4]);
    let count: usize = changed(&drawn(&[], &caps(), &normal())).iter().sum();
    assert!(count > 0, "the label is missing");
}

#[test]
fn every_format_is_drawn_on_in_place() {
    init();
    for (_, format) in format_names() {
        let caps = caps_of(&format, WIDTH, HEIGHT, 25);
        let pixels = drawn(&[], &caps, &anomalous());
        let count = pixels.iter().filter(|&&byte| byte != GREY).count();
        assert!(count > 100, "{format}: {count} bytes drawn");
    }
}

#[test]
fn frames_without_a_meta_pass_untouched_and_the_user_is_told_once() {
    let mut line = Line::new(overlay(&[]), caps());
    for n in 0..250 {
        let out = line.harness.push_and_pull(buffer(n, good_pixels(n))).unwrap();
        assert_eq!(bytes(&out), good_pixels(n));
    }
    let warnings = line.heard(gst::MessageType::Warning);
    assert_eq!(warnings.len(), 1);
    let gst::MessageView::Warning(warning) = warnings[0].view() else { unreachable!() };
    assert!(warning.error().message().contains("snarmdetect"), "{}", warning.error());
}

#[test]
fn a_frame_that_was_not_analysed_passes_untouched() {
    assert_eq!(changed(&drawn(&[], &caps(), &unknown())), [0; 4]);
}

#[test]
fn shared_pixels_are_copied_only_when_there_is_something_to_draw() {
    init();
    for (meta, copied) in [(normal(), false), (anomalous(), true)] {
        let mut line = Line::new(overlay(&[("draw", "heatmap")]), caps());
        let mut frame = buffer(0, vec![GREY; 3 * WIDTH * HEIGHT]);
        gstsnarm::meta::attach(frame.get_mut().unwrap(), &meta).unwrap();
        // A second reader of the same pixels, as behind a tee.
        let reader = frame.clone();
        let out = line.harness.push_and_pull(frame).unwrap();
        let address = |buffer: &gst::Buffer| buffer.map_readable().unwrap().as_ptr();
        assert_eq!(address(&out) != address(&reader), copied);
        assert_eq!(bytes(&reader), [GREY; 3 * WIDTH * HEIGHT], "the other reader sees the drawing");
    }
}

#[test]
fn odd_sizes_and_another_size_than_the_analysed_one_are_drawn_on() {
    init();
    for (format, width, height) in
        [("I420", 17, 33), ("NV12", 33, 17), ("YUY2", 17, 33), ("GRAY16_LE", 16, 16)]
    {
        let pixels = drawn(&[], &caps_of(format, width, height, 0), &anomalous());
        assert!(pixels.iter().any(|&byte| byte != GREY), "{format}");
    }
}

#[test]
fn scores_of_the_heat_map_that_contradict_each_other_are_told_once() {
    init();
    let mut line = Line::new(overlay(&[("heatmap-min", "0.875"), ("heatmap-max", "0.125")]), caps());
    let draw = |line: &mut Line, properties: &[(&str, f64)]| {
        for (name, value) in properties {
            line.element.set_property(name, value);
        }
        for n in 0..2 {
            let mut frame = buffer(n, vec![GREY; 3 * WIDTH * HEIGHT]);
            gstsnarm::meta::attach(frame.get_mut().unwrap(), &anomalous()).unwrap();
            line.harness.push_and_pull(frame).unwrap();
        }
        line.warnings()
    };
    let at_start = line.warnings();
    assert_eq!(at_start.len(), 1, "{at_start:?}");
    assert!(
        at_start[0].contains("heatmap-max: expected at least heatmap-min, 0.875, found 0.125"),
        "{at_start:?}"
    );
    assert_eq!(draw(&mut line, &[]).len(), 1, "told again");
    assert_eq!(draw(&mut line, &[("heatmap-max", 0.9375)]).len(), 1);
    // The first colour is that of the pixel threshold of the frame.
    let told = draw(&mut line, &[("heatmap-min", -1.0), ("heatmap-max", 0.25)]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("at least the pixel threshold, 0.5, found 0.25"), "{told:?}");
    line.element.set_property_from_str("heatmap-range", "auto");
    assert_eq!(draw(&mut line, &[("heatmap-max", 0.125)]).len(), 2);
}
