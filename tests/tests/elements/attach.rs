//! Overlays that are handed on instead of drawn, and everything else that `snarmoverlay` can be told.

use gst::prelude::*;
use gst_video::{VideoOverlayCompositionMeta, VideoOverlayFormatFlags};
use gstsnarm::meta::AnomalyMeta;
use snarm_core::results::Resolution;
use snarm_core::view::Rect;

use crate::common::{HEIGHT, Line, WIDTH, buffer, bytes, caps, caps_of, init, start_error};
use crate::overlay::{GREY, anomalous, changed, drawn, normal, overlay, unknown, with};

const FEATURE: &str = "video/x-raw(memory:SystemMemory, meta:GstVideoOverlayComposition)";

/// A frame with a meta.
fn frame(n: u64, meta: &AnomalyMeta) -> gst::Buffer {
    init();
    let mut frame = buffer(n, vec![GREY; 3 * WIDTH * HEIGHT]);
    gstsnarm::meta::attach(frame.get_mut().unwrap(), meta).unwrap();
    frame
}

/// An overlay before a consumer that draws compositions.
fn consumer(properties: &[(&str, &str)]) -> Line {
    let mut line = Line::new(overlay(properties), caps());
    line.harness.add_propose_allocation_meta(VideoOverlayCompositionMeta::meta_api(), None);
    line
}

/// Number of attached rectangles.
fn attached(buffer: &gst::Buffer) -> u32 {
    buffer.meta::<VideoOverlayCompositionMeta>().map_or(0, |meta| meta.overlay().n_rectangles())
}

fn src_caps(line: &Line) -> String {
    line.element.static_pad("src").unwrap().current_caps().unwrap().to_string()
}

fn stats(line: &Line) -> gst::Structure {
    line.element.property::<gst::Structure>("stats")
}

#[test]
fn a_consumer_that_draws_compositions_gets_them_and_untouched_pixels() {
    let mut line = consumer(&[]);
    let out = line.harness.push_and_pull(frame(0, &anomalous())).unwrap();
    assert!(attached(&out) >= 2, "heat map and label");
    assert_eq!(bytes(&out), [GREY; 3 * WIDTH * HEIGHT]);
    assert!(src_caps(&line).starts_with(FEATURE), "{}", src_caps(&line));
    assert_eq!(stats(&line).get::<bool>("attached"), Ok(true));
    let plain = line.harness.push_and_pull(buffer(1, vec![GREY; 3 * WIDTH * HEIGHT])).unwrap();
    assert_eq!(attached(&plain), 0, "a frame without a result");
}

#[test]
fn a_consumer_that_does_not_gets_pixels_and_plain_caps() {
    let mut line = Line::new(overlay(&[]), caps());
    for n in 0..3 {
        let out = line.harness.push_and_pull(frame(n, &anomalous())).unwrap();
        assert_eq!(attached(&out), 0);
        assert!(changed(&bytes(&out)).iter().sum::<usize>() > 100);
        assert!(!src_caps(&line).contains("Composition"), "{}", src_caps(&line));
    }
    assert_eq!(stats(&line).get::<bool>("attached"), Ok(false));
}

#[test]
fn modes_that_are_asked_for_are_kept() {
    let mut line = consumer(&[("render-mode", "blend")]);
    let out = line.harness.push_and_pull(frame(0, &anomalous())).unwrap();
    assert!(attached(&out) == 0 && !src_caps(&line).contains("Composition"));
    let mut line = Line::new(overlay(&[("render-mode", "attach")]), caps());
    let out = line.harness.push_and_pull(frame(0, &anomalous())).unwrap();
    assert!(attached(&out) > 0 && src_caps(&line).contains("Composition"));
}

#[test]
fn what_is_attached_is_what_would_be_blended() {
    let properties = [("draw", "heatmap+contours+boxes+score+bar+border+roi")];
    let part = AnomalyMeta { seen: Rect { x: 0.1, y: 0.1, w: 0.8, h: 0.8 }, ..anomalous() };
    let blended = drawn(&properties, &caps(), &part);
    let mut line = consumer(&properties);
    let mut out = line.harness.push_and_pull(frame(0, &part)).unwrap();
    let composition = out.meta::<VideoOverlayCompositionMeta>().unwrap().overlay_owned();
    for rectangle in composition.iter() {
        assert_eq!(rectangle.flags(), VideoOverlayFormatFlags::PREMULTIPLIED_ALPHA);
        let pixels = rectangle.pixels_unscaled_argb(VideoOverlayFormatFlags::PREMULTIPLIED_ALPHA);
        let all = bytes(&pixels);
        assert!(all.chunks(4).all(|p| p[..3].iter().all(|c| *c <= p[3])), "colours above their alpha");
    }
    let info = gst_video::VideoInfo::from_caps(&caps()).unwrap();
    let inside = out.make_mut();
    let mut mapped = gst_video::VideoFrameRef::from_buffer_ref_writable(inside, &info).unwrap();
    composition.blend(&mut mapped).unwrap();
    drop(mapped);
    // GStreamer's blending is the judge; it rounds in its own way, twice.
    let far = bytes(&out).iter().zip(&blended).filter(|(a, b)| a.abs_diff(**b) > 4).count();
    assert!(far < 60, "{far} samples differ");
}

#[test]
fn compositions_of_others_stay_below() {
    init();
    let mut line = Line::new(overlay(&[]), {
        let mut caps = caps();
        caps.make_mut().set_features_simple(Some(gst::CapsFeatures::new([
            "memory:SystemMemory",
            "meta:GstVideoOverlayComposition",
        ])));
        caps
    });
    line.harness.add_propose_allocation_meta(VideoOverlayCompositionMeta::meta_api(), None);
    let mut other = consumer(&[("draw", "border")]);
    let first = other.harness.push_and_pull(frame(0, &anomalous())).unwrap();
    let theirs = attached(&first);
    let out = line.harness.push_and_pull(first).unwrap();
    assert!(theirs == 4 && attached(&out) > theirs, "{theirs} and {}", attached(&out));
}

#[test]
fn formats_that_cannot_be_drawn_on_are_attached_to() {
    init();
    let caps = caps_of("I420_12LE", WIDTH, HEIGHT, 25);
    let size = gst_video::VideoInfo::from_caps(&caps).unwrap().size();
    let mut line = Line::new(overlay(&[]), caps);
    let mut frame = buffer(0, vec![0; size]);
    gstsnarm::meta::attach(frame.get_mut().unwrap(), &anomalous()).unwrap();
    let out = line.harness.push_and_pull(frame).unwrap();
    assert!(attached(&out) > 0 && src_caps(&line).contains("Composition"));
}

#[test]
fn a_result_is_held_for_frames_that_were_not_analysed() {
    // 100 ms at 25 fps: the second and the third frame, not the fourth.
    let mut line = Line::new(overlay(&[("hold-time", "100000000")]), caps());
    let mut drawn = Vec::new();
    for n in 0..5 {
        let meta = if n == 0 { anomalous() } else { unknown() };
        let out = line.harness.push_and_pull(frame(n, &meta)).unwrap();
        drawn.push(changed(&bytes(&out)).iter().sum::<usize>() > 0);
    }
    assert_eq!(drawn, [true, true, true, false, false]);
    assert_eq!(stats(&line).get::<u64>("held"), Ok(2));
    // Without a hold time nothing is.
    let mut line = Line::new(overlay(&[]), caps());
    line.harness.push_and_pull(frame(0, &anomalous())).unwrap();
    let out = line.harness.push_and_pull(frame(1, &unknown())).unwrap();
    assert_eq!(changed(&bytes(&out)), [0; 4]);
}

#[test]
fn only_anomalous_frames_are_drawn_on_when_asked() {
    let properties = [("only-anomalous", "true")];
    assert_eq!(changed(&drawn(&properties, &caps(), &normal())), [0; 4]);
    assert_ne!(changed(&drawn(&properties, &caps(), &anomalous())), [0; 4]);
}

#[test]
fn an_automatic_heat_range_colours_a_good_frame_and_a_fixed_one_does_not() {
    let mut warm = normal();
    {
        let map = warm.map.as_mut().unwrap();
        map.make_mut().map_writable().unwrap()[14 * 28 + 14] = 60;
    }
    let heat = |range| drawn(&[("draw", "heatmap"), ("heatmap-range", range)], &caps(), &warm);
    assert_eq!(changed(&heat("fixed")), [0; 4]);
    assert_ne!(changed(&heat("auto")), [0; 4]);
}

#[test]
fn a_label_that_is_not_understood_fails_at_start_and_warns_in_playing() {
    let error = start_error(overlay(&[("label-format", "{scroe:.2}")]));
    assert!(error.matches(gst::ResourceError::Settings), "{error}");
    for word in ["{verdict}", "{score}", "'scroe:.2'"] {
        assert!(error.message().contains(word), "{word}: {error}");
    }
    let mut line = Line::new(overlay(&[("draw", "score")]), caps());
    let before = bytes(&line.harness.push_and_pull(frame(0, &anomalous())).unwrap());
    line.element.set_property("label-format", "{score");
    for n in 1..4 {
        let after = bytes(&line.harness.push_and_pull(frame(n, &anomalous())).unwrap());
        assert_eq!(after, before, "the label stays");
    }
    assert_eq!(line.heard(gst::MessageType::Warning).len(), 1);
    assert_eq!(line.element.property::<String>("label-format"), "{verdict} {score:.2}");
    line.element.set_property("label-format", "{area:.0%}");
    let after = bytes(&line.harness.push_and_pull(frame(4, &anomalous())).unwrap());
    assert_ne!(after, before);
}

#[test]
fn a_frame_of_another_shape_is_told_once_and_counted() {
    let cut = with(|meta| meta.resolution = Resolution { width: 640, height: 640 });
    let mut line = Line::new(overlay(&[]), caps());
    for n in 0..3 {
        line.harness.push_and_pull(frame(n, &cut)).unwrap();
    }
    let warnings = line.heard(gst::MessageType::Warning);
    assert_eq!(warnings.len(), 1);
    let gst::MessageView::Warning(warning) = warnings[0].view() else { unreachable!() };
    let text = warning.error().message().to_owned();
    assert!(text.contains("640x640") && text.contains("64x48"), "{text}");
    assert_eq!(stats(&line).get::<bool>("geometry-mismatch"), Ok(true));
    // Twice the size is the same shape.
    let scaled = with(|meta| meta.resolution = Resolution { width: 128, height: 96 });
    line.harness.push_and_pull(frame(3, &scaled)).unwrap();
    assert_eq!(stats(&line).get::<bool>("geometry-mismatch"), Ok(false));
}

#[test]
fn the_edge_of_the_analysed_part_is_drawn_and_none_around_a_whole_frame() {
    let paper = Rect { x: 0.0625, y: 0.0625, w: 0.875, h: 0.875 };
    let seen = AnomalyMeta { seen: paper, map_rect: paper, ..normal() };
    let quarters = changed(&drawn(&[("draw", "roi")], &caps(), &seen));
    assert!(quarters.iter().all(|count| *count > 20), "{quarters:?}");
    assert_eq!(changed(&drawn(&[("draw", "roi")], &caps(), &normal())), [0; 4]);
}

#[test]
fn regions_of_others_are_drawn_as_boxes() {
    let with_region = |properties: &[(&str, &str)]| {
        let mut frame = buffer(0, vec![GREY; 3 * WIDTH * HEIGHT]);
        let inside = frame.get_mut().unwrap();
        gst_video::VideoRegionOfInterestMeta::add(inside, "scratch", (36, 30, 20, 14));
        let mut line = Line::new(overlay(properties), caps());
        changed(&bytes(&line.harness.push_and_pull(frame).unwrap()))
    };
    for source in ["auto", "roi"] {
        let [_, _, _, lower_right] = with_region(&[("draw", "boxes"), ("source", source)]);
        assert!(lower_right > 40, "{source}: {lower_right}");
    }
    assert_eq!(with_region(&[("draw", "boxes"), ("source", "snarm")]), [0; 4]);
}

#[test]
fn counts_tell_what_was_done() {
    let mut line = Line::new(overlay(&[("draw", "heatmap")]), caps());
    line.harness.push_and_pull(frame(0, &anomalous())).unwrap();
    line.harness.push_and_pull(frame(1, &normal())).unwrap();
    line.harness.push_and_pull(buffer(2, vec![GREY; 3 * WIDTH * HEIGHT])).unwrap();
    let stats = stats(&line);
    let counts = ["frames", "drawn", "without-meta"].map(|name| stats.get::<u64>(name).unwrap());
    assert_eq!(counts, [3, 1, 1]);
}
