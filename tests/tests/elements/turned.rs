//! Frames that are stored turned, in streams that say so by the tag `image-orientation`. What the tag means is what
//! `videoflip` makes of it.

use gst::prelude::*;
use gst_check::Harness;
use gstsnarm::meta::AnomalyMeta;
use snarm_core::Grid;
use snarm_core::bank::Bank;
use snarm_core::frame::Orientation;
use snarm_core::view::Rect;

use crate::common::{
    HEIGHT, Line, WIDTH, bad_pixels, buffer, bytes, caps_of, detector, good_pixels, init, map_size,
};
use crate::overlay::{GREY, anomalous, overlay};

/// The values of the tag.
const TAGS: [&str; 8] = [
    "rotate-0",
    "rotate-90",
    "rotate-180",
    "rotate-270",
    "flip-rotate-0",
    "flip-rotate-90",
    "flip-rotate-180",
    "flip-rotate-270",
];

/// A tag event for the stream, or with `global` for the whole medium.
fn tagged(value: &str, global: bool) -> gst::Event {
    let mut tags = gst::TagList::new();
    let inside = tags.make_mut();
    inside.set_scope(if global { gst::TagScope::Global } else { gst::TagScope::Stream });
    inside.add::<gst::tags::ImageOrientation>(&value, gst::TagMergeMode::Replace);
    gst::event::Tag::new(tags)
}

/// What `videoflip` shows of a stored frame of this size with this tag, and its size.
fn shown(tag: &str, pixels: Vec<u8>, width: usize, height: usize) -> (Vec<u8>, usize, usize) {
    let flip = gst::ElementFactory::make("videoflip").property_from_str("video-direction", "auto").build();
    let mut harness = Harness::with_element(&flip.unwrap(), Some("sink"), Some("src"));
    harness.set_src_caps(caps_of("RGB", width, height, 25));
    assert!(harness.push_event(tagged(tag, false)));
    let out = harness.push_and_pull(buffer(0, pixels)).unwrap();
    let caps = harness.sinkpad().unwrap().current_caps().unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    (bytes(&out), info.width() as usize, info.height() as usize)
}

/// The stored frame that is `upright` where the tag is followed, with its size; and how the core calls the tag.
fn stored(tag: &str, upright: &[u8]) -> (Vec<u8>, usize, usize, Orientation) {
    for orientation in Orientation::all() {
        let (width, height) = orientation.size(WIDTH, HEIGHT);
        let mut pixels = vec![0; upright.len()];
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let [(sx, _), (sy, _)] = orientation.stored((x, 1, WIDTH), (y, 1, HEIGHT));
                pixels[3 * (sy * width + sx)..][..3].copy_from_slice(&upright[3 * (y * WIDTH + x)..][..3]);
            }
        }
        if shown(tag, pixels.clone(), width, height) == (upright.to_vec(), WIDTH, HEIGHT) {
            return (pixels, width, height, orientation);
        }
    }
    panic!("videoflip makes of {tag} what no orientation is");
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-4
}

/// Whether two rectangles are the same but for a pixel of the map.
fn close_rects(a: Rect, b: Rect) -> bool {
    [a.x - b.x, a.y - b.y, a.w - b.w, a.h - b.h].iter().all(|difference| difference.abs() < 6e-3)
}

/// The result of a stored frame with a tag.
fn inspect(element: gst::Element, tag: Option<gst::Event>, frame: (Vec<u8>, usize, usize)) -> AnomalyMeta {
    let mut line = Line::new(element, caps_of("RGB", frame.1, frame.2, 25));
    if let Some(tag) = tag {
        assert!(line.harness.push_event(tag));
    }
    line.inspect(0, frame.0)
}

#[test]
fn a_turned_stream_scores_as_its_upright_picture() {
    init();
    // Products in bf16 round what is turned otherwise.
    let properties = [("pixel-threshold", "0.4"), ("map-format", "gray16"), ("precision", "f32")];
    for (pixels, is_good) in [(good_pixels(3), true), (bad_pixels(3), false)] {
        let upright = inspect(detector(&properties), None, (pixels.clone(), WIDTH, HEIGHT));
        for (n, tag) in TAGS.iter().enumerate() {
            let (frame, width, height, orientation) = stored(tag, &pixels);
            let event = tagged(tag, n % 2 == 0);
            let found = inspect(detector(&properties), Some(event), (frame.clone(), width, height));
            assert!(close(found.score, upright.score), "{tag}: {} instead of {}", found.score, upright.score);
            assert_eq!(found.verdict, upright.verdict, "{tag}");
            // In coordinates of the frame as it is stored.
            assert_eq!((found.resolution.width, found.resolution.height), (width as u32, height as u32));
            assert_eq!(found.regions.len(), upright.regions.len(), "{tag}");
            for (found, upright) in found.regions.iter().zip(&upright.regions) {
                assert!(close_rects(found.rect, upright.rect.stored(orientation)), "{tag}: {:?}", found.rect);
            }
            let [found_map, upright_map] = [&found, &upright].map(|meta| bytes(meta.map.as_ref().unwrap()));
            let size = map_size(&upright);
            assert_eq!(map_size(&found), orientation.grid(size), "{tag}");
            let Grid { rows, columns } = size;
            let sample =
                |map: &[u8], at: usize| i32::from(u16::from_le_bytes([map[2 * at], map[2 * at + 1]]));
            for y in 0..rows {
                for x in 0..columns {
                    let [(sx, _), (sy, _)] = orientation.stored((x, 1, columns), (y, 1, rows));
                    let stored = sample(&found_map, sy * map_size(&found).columns + sx);
                    let (a, b) = (stored, sample(&upright_map, y * columns + x));
                    assert!((a - b).abs() < 40, "{tag} at {x}, {y}: {a}, not {b}");
                }
            }
            // A defect is one however it lies.
            if n > 0 && is_good {
                let lying = inspect(detector(&properties), None, (frame, width, height));
                assert!(
                    !close(lying.score, upright.score),
                    "{tag}: a frame that is alike lying proves nothing"
                );
            }
        }
    }
}

#[test]
fn region_and_mask_are_given_for_the_frame_as_it_is_stored() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let mask = folder.path().join("mask.png");
    // The upper quarter of the stored frame is ignored.
    image::GrayImage::from_fn(8, 8, |_, y| image::Luma([if y < 2 { 255 } else { 0 }])).save(&mask).unwrap();
    let properties = [("roi", "0.1,0,0.5,0.75"), ("ignore-mask", mask.to_str().unwrap())];
    let tag = "rotate-90";
    let learn =
        |location: &std::path::Path, properties: &[(&str, &str)], frames: &[(Vec<u8>, usize, usize)], tag| {
            let element =
                gst::ElementFactory::make("snarmbank").property("location", location).build().unwrap();
            properties.iter().for_each(|(name, value)| element.set_property_from_str(name, value));
            let mut line = Line::new(element, caps_of("RGB", frames[0].1, frames[0].2, 25));
            if let Some(tag) = tag {
                assert!(line.harness.push_event(tagged(tag, false)));
            }
            for (n, frame) in (0..).zip(frames) {
                line.harness.push(buffer(n, frame.0.clone())).unwrap();
            }
            line.finish();
            Bank::open(location).unwrap()
        };
    let lying: Vec<_> = (0..4)
        .map(|n| {
            let (pixels, width, height, _) = stored(tag, &good_pixels(n));
            (pixels, width, height)
        })
        .collect();
    let bank = learn(&folder.path().join("lying.bank"), &properties, &lying, Some(tag));
    let view = bank.view();
    let roi = view.roi.unwrap();
    // Its left edge is the upper one of the upright picture, and its upper edge the right one.
    assert!(close_rects(roi, Rect { x: 0.25, y: 0.1, w: 0.75, h: 0.5 }), "{roi}");
    let ignored = view.ignore.unwrap();
    assert!(ignored.covers(0.9, 0.5) && !ignored.covers(0.1, 0.5) && !ignored.covers(0.5, 0.1));
    // The bank's own view, and the same given by properties.
    let location = folder.path().join("lying.bank");
    let views: [&[(&str, &str)]; 2] = [&[], &properties];
    let results = views.map(|properties| {
        let element = detector(properties);
        element.set_property("bank-location", location.to_str().unwrap());
        inspect(element, Some(tagged(tag, false)), lying[0].clone())
    });
    for result in &results {
        assert!(close_rects(result.seen, Rect { x: 0.1, y: 0.0, w: 0.5, h: 0.75 }), "{:?}", result.seen);
        assert!(close(result.score, results[0].score));
    }
    // A stream of upright pictures is seen by the same bank.
    let element = detector(&[]);
    element.set_property("bank-location", location.to_str().unwrap());
    let upright = inspect(element, None, (good_pixels(0), WIDTH, HEIGHT));
    assert!(close(upright.score, results[0].score), "{} {}", upright.score, results[0].score);
    assert!(close_rects(upright.seen, roi));
}

#[test]
fn a_tag_holds_for_its_own_stream() {
    init();
    let tag = "rotate-180";
    let (lying, ..) = stored(tag, &bad_pixels(1));
    let caps = caps_of("RGB", WIDTH, HEIGHT, 25);
    let mut line = Line::new(detector(&[("interval", "100")]), caps);
    let score = line.inspect(0, bad_pixels(1)).score;
    // A new orientation is seen at once, whatever the interval.
    assert!(line.harness.push_event(tagged(tag, false)));
    let found = line.inspect(1, lying);
    assert!(found.analysed && close(found.score, score), "{} {score}", found.score);
    assert!(line.harness.push_event(gst::event::StreamStart::new("another")));
    assert!(
        line.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()))
    );
    assert!(close(line.inspect(2, bad_pixels(1)).score, score));
}

#[test]
fn an_overlay_is_upright_where_the_frame_is_shown_upright() {
    let style = [("draw", "heatmap+contours+boxes+score+bar+border+roi")];
    let grey = vec![GREY; 3 * WIDTH * HEIGHT];
    let draw = |tag: Option<&str>, meta: &AnomalyMeta, width: usize, height: usize| {
        let mut line = Line::new(overlay(&style), caps_of("RGB", width, height, 25));
        if let Some(tag) = tag {
            assert!(line.harness.push_event(tagged(tag, false)));
        }
        let mut frame = buffer(0, grey.clone());
        gstsnarm::meta::attach(frame.get_mut().unwrap(), meta).unwrap();
        bytes(&line.harness.push_and_pull(frame).unwrap())
    };
    let upright = anomalous();
    let expected = draw(None, &upright, WIDTH, HEIGHT);
    for tag in TAGS {
        let (_, width, height, orientation) = stored(tag, &good_pixels(0));
        let mut meta = upright.clone();
        (meta.resolution.width, meta.resolution.height) = (width as u32, height as u32);
        meta.regions.iter_mut().for_each(|region| region.rect = region.rect.stored(orientation));
        let mut map = bytes(upright.map.as_ref().unwrap());
        orientation.inverse().turn(&mut map, Grid::square(28), &mut Vec::new());
        meta.map.as_mut().unwrap().make_mut().copy_from_slice(0, &map).unwrap();
        let (found, ..) = shown(tag, draw(Some(tag), &meta, width, height), width, height);
        let differs = found.iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > 1).count();
        assert_eq!(differs, 0, "{tag}: bytes that differ");
    }
}
