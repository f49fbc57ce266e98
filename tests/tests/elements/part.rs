//! `roi` and `ignore-mask` of `snarmbank` and `snarmdetect`.

use std::path::{Path, PathBuf};

use gst::prelude::*;
use gstsnarm::meta::AnomalyMeta;
use snarm_core::bank::Bank;
use snarm_core::view::Rect;

use crate::common::{
    self, GOOD_FRAMES, Line, WIDTH, bad_pixels, buffer, caps, detector, good_pixels, init, start_error,
};
use crate::overlay::overlay;

/// The half of the frame where bad pixels have no blotch.
const RIGHT: &str = "0.5,0,0.5,1";

/// A mask as a PGM file: white over the left half.
fn mask(folder: &Path) -> PathBuf {
    let path = folder.join("mask.pgm");
    std::fs::write(&path, b"P5\n4 1\n255\n\xff\xff\x00\x00").unwrap();
    path
}

/// Learns a bank with some properties.
fn learn(folder: &Path, properties: &[(&str, &str)]) -> PathBuf {
    init();
    let location = folder.join("part.bank");
    let element = gst::ElementFactory::make("snarmbank")
        .property("location", location.to_str().unwrap())
        .property("bank-capacity", 500_u32)
        .build()
        .unwrap();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    let mut line = Line::new(element, caps());
    line.push_good(GOOD_FRAMES);
    line.finish();
    location
}

fn inspect(line: &mut Line, n: u64, pixels: Vec<u8>) -> AnomalyMeta {
    gstsnarm::meta::read(&line.harness.push_and_pull(buffer(n, pixels)).unwrap()).unwrap()
}

/// The samples of the map.
fn map(meta: &AnomalyMeta) -> Vec<u8> {
    common::bytes(meta.map.as_ref().unwrap())
}

#[test]
fn a_detector_follows_the_view_of_its_bank() {
    let folder = tempfile::tempdir().unwrap();
    let mask = mask(folder.path());
    let properties = [("roi", "0, 0.25, 1, 0.5"), ("ignore-mask", mask.to_str().unwrap())];
    let location = learn(folder.path(), &properties);
    let view = Bank::open(&location).unwrap().view();
    let roi = Rect { x: 0.0, y: 0.25, w: 1.0, h: 0.5 };
    assert_eq!(view.roi, Some(roi));
    assert!(view.ignore.unwrap().covers(0.2, 0.5));

    let mut line = Line::new(detector(&[("bank-location", location.to_str().unwrap())]), caps());
    let found = inspect(&mut line, 0, bad_pixels(0));
    assert_eq!((found.map_rect, found.seen), (roi, roi));
    let (map, width) = (map(&found), common::map_size(&found).columns);
    assert!(map.iter().enumerate().all(|(at, sample)| at % width >= width / 2 || *sample == 0));
    assert!(map.iter().any(|sample| *sample > 0), "nothing at all is scored");
}

#[test]
fn another_crop_than_the_banks_is_used_and_told_with_both_names() {
    let folder = tempfile::tempdir().unwrap();
    let location = learn(folder.path(), &[("crop", "letterbox")]);
    let with = |crop: &str| {
        let mut line =
            Line::new(detector(&[("bank-location", location.to_str().unwrap()), ("crop", crop)]), caps());
        let found = inspect(&mut line, 0, good_pixels(0));
        let warnings = line.heard(gst::MessageType::Warning);
        let told = warnings.iter().map(|message| match message.view() {
            gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
            _ => unreachable!(),
        });
        (found, told.collect::<Vec<_>>())
    };
    let (by_bank, silent) = with("bank");
    let (alike, also_silent) = with("letterbox");
    assert!(silent.is_empty() && also_silent.is_empty(), "{silent:?} {also_silent:?}");
    assert_eq!((by_bank.map_rect, map(&by_bank)), (alike.map_rect, map(&alike)));
    assert!(by_bank.map_rect.y < 0.0, "the square of a letterbox is higher than the frame");

    let (paper, told) = with("paper");
    // As near to 1/16 as whole pixels come.
    assert!(
        (0.06..0.065).contains(&paper.seen.x) && (0.87..0.88).contains(&paper.seen.h),
        "{:?}",
        paper.seen
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("crop: expected letterbox"), "{told:?}");
    assert!(told[0].contains("found paper"), "{told:?}");
    // Stretched stripes are not what the bank has seen.
    assert!(paper.score > by_bank.score, "{} {}", paper.score, by_bank.score);
}

#[test]
fn a_detector_cuts_frames_as_its_bank_and_tells_of_other_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let location = learn(folder.path(), &[("tiles", "2x1"), ("tile-overlap", "0.25")]);
    let with = |properties: &[(&str, &str)]| {
        let properties = [&[("bank-location", location.to_str().unwrap())], properties].concat();
        let mut line = Line::new(detector(&properties), caps());
        let found = inspect(&mut line, 0, bad_pixels(0));
        let info = line.element.property::<gst::Structure>("bank-info");
        assert_eq!(info.get::<&str>("tiles").unwrap(), "2x1 with an overlap of 0.25");
        (common::map_size(&found), found, line.warnings())
    };
    let (size, found, silent) = with(&[]);
    assert!(size.columns > size.rows && found.map_rect == Rect::WHOLE, "{size}");
    assert!(found.score > inspect_good(&location), "{}", found.score);
    assert!(silent.is_empty(), "{silent:?}");
    // What the bank was made with, in so many words, and what it decided on by itself.
    for properties in
        [&[("tiles", "2x1"), ("tile-overlap", "0.25")][..], &[("tiles", "auto"), ("min-defect", "4")]]
    {
        let (same, alike, silent) = with(properties);
        assert_eq!((same, map(&alike)), (size, map(&found)));
        assert!(silent.is_empty(), "{silent:?}");
    }
    for tiles in ["none", "1x2"] {
        let (other, _, told) = with(&[("tiles", tiles)]);
        assert!(other != size && told.len() == 1, "{other} {told:?}");
        assert!(
            told[0].starts_with("tiles: expected 2x1 with an overlap of 0.25, as the bank was made"),
            "{told:?}"
        );
        assert!(told[0].contains(&format!("found {tiles}")), "{told:?}");
    }
}

#[test]
fn what_is_found_in_tiles_is_drawn_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let location = learn(folder.path(), &[("tiles", "2x2"), ("encoder", "snarm-tiny")]);
    let detector = detector(&[("bank-location", location.to_str().unwrap())]);
    detector.set_property("threshold", 0.0);
    let mut line = Line::new(detector, caps());
    let pixels = bad_pixels(0);
    let inspected = line.harness.push_and_pull(buffer(0, pixels.clone())).unwrap();
    let found = common::read(&inspected);
    assert!(common::map_size(&found).cells() > 400 * 400, "one map of all tiles");
    let mut overlay = Line::new(overlay(&[("draw", "heatmap")]), caps());
    let drawn = common::bytes(&overlay.harness.push_and_pull(inspected).unwrap());
    // The blotch is in the upper left quarter: what is drawn is strongest around it, and there is no line where tiles meet.
    let change = |at: usize| (0..3).map(|c| i32::from(drawn[at + c].abs_diff(pixels[at + c]))).sum::<i32>();
    let of = |columns: std::ops::Range<usize>, rows: std::ops::Range<usize>| {
        let cells = columns.len() * rows.len();
        let at = rows.flat_map(|y| columns.clone().map(move |x| 3 * (y * WIDTH + x)));
        f64::from(at.map(change).sum::<i32>()) / cells as f64
    };
    let (on, off) = (of(12..28, 10..22), of(40..60, 30..46));
    assert!(on > 2.0 * off && on > 10.0, "{on} on the blotch, {off} far from it");
    let (seam, beside) = (of(31..33, 30..46), of(36..44, 30..46));
    assert!(seam < beside + 15.0, "{seam} where tiles meet, {beside} beside it");
}

/// The score of a good frame with a bank.
fn inspect_good(bank: &Path) -> f64 {
    let mut line = Line::new(detector(&[("bank-location", bank.to_str().unwrap())]), caps());
    inspect(&mut line, 0, good_pixels(0)).score
}

#[test]
fn tiles_that_cannot_be_are_refused_at_start() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let learner = |name: &str, value: &str| {
        let location = folder.path().join("none.bank");
        let element = gst::ElementFactory::make("snarmbank")
            .property("location", location.to_str().unwrap())
            .build()
            .unwrap();
        element.set_property_from_str(name, value);
        element.set_property_from_str("min-defect", "4");
        start_error(element)
    };
    for (error, words) in [
        (start_error(detector(&[("tiles", "3 by 2")])), "tiles: expected none, auto or COLUMNSxROWS"),
        (start_error(detector(&[("tiles", "2x2"), ("min-defect", "4")])), "min-defect: expected tiles auto"),
        (learner("tiles", "9x9"), "tiles: expected none, auto or COLUMNSxROWS"),
        (learner("tiles", "none"), "min-defect: expected tiles auto"),
    ] {
        assert!(error.message().contains(words), "{error}");
    }
}

#[test]
fn the_region_of_a_detector_changes_while_it_plays() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    let whole = inspect(&mut line, 0, bad_pixels(0));
    assert_eq!(whole.map_rect, Rect::WHOLE);
    line.element.set_property("roi", RIGHT);
    let right = inspect(&mut line, 1, bad_pixels(1));
    assert_eq!(right.map_rect, Rect { x: 0.5, y: 0.0, w: 0.5, h: 1.0 });
    // The blotch lies outside, so that it makes no difference.
    assert_eq!(map(&right), map(&inspect(&mut line, 2, good_pixels(1))));
    line.element.set_property("roi", None::<&str>);
    assert_eq!(map(&inspect(&mut line, 3, bad_pixels(0))), map(&whole));
}

#[test]
fn a_wrong_region_warns_once_in_playing_and_fails_at_start() {
    init();
    let mut line = Line::new(detector(&[("roi", RIGHT)]), caps());
    line.element.set_property("roi", "0.5,0,0.9,1");
    for n in 0..3 {
        assert_eq!(inspect(&mut line, n, good_pixels(n)).map_rect.x, 0.5, "the region stays");
    }
    let mut told = warnings(&mut line);
    told.retain(|text| text.contains("found '0.5,0,0.9,1'"));
    assert_eq!(told.len(), 1, "{told:?}");

    let bank = gst::ElementFactory::make("snarmbank").property("location", "/tmp/never-written.bank");
    for element in [detector(&[("roi", "left")]), bank.property("roi", "left").build().unwrap()] {
        let error = start_error(element);
        assert!(error.matches(gst::ResourceError::Settings), "{error}");
        assert!(
            error.message().contains("roi: expected x,y,w,h") && error.message().contains("'left'"),
            "{error}"
        );
    }
}

/// The texts of the warnings so far.
fn warnings(line: &mut Line) -> Vec<String> {
    let text = |message: &gst::Message| match message.view() {
        gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
        _ => unreachable!(),
    };
    line.heard(gst::MessageType::Warning).iter().map(text).collect()
}

#[test]
fn a_region_that_the_mask_covers_warns_once_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mask = mask(folder.path());
    let location = learn(folder.path(), &[("ignore-mask", mask.to_str().unwrap())]);
    let mut line = Line::new(detector(&[("bank-location", location.to_str().unwrap())]), caps());
    let before = inspect(&mut line, 0, good_pixels(0));
    line.element.set_property("roi", "0,0,0.4,1");
    for n in 1..4 {
        let found = inspect(&mut line, n, good_pixels(0));
        assert_eq!((found.map_rect, map(&found)), (Rect::WHOLE, map(&before)), "the region stays");
    }
    let told = warnings(&mut line);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("ignore mask") && told[0].contains("region stays"), "{told:?}");
    line.element.set_property("roi", RIGHT);
    assert_eq!(inspect(&mut line, 4, good_pixels(0)).map_rect.x, 0.5, "the next one is taken");
    assert!(line.heard(gst::MessageType::Error).is_empty());
}

#[test]
fn a_bank_whose_mask_covers_the_region_warns_once_and_the_old_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mask = mask(folder.path());
    let covered = learn(folder.path(), &[("ignore-mask", mask.to_str().unwrap())]);
    let mut line = Line::new(detector(&[("roi", "0,0,0.4,1")]), caps());
    let before = inspect(&mut line, 0, good_pixels(0));
    line.element.set_property("bank-location", covered.to_str().unwrap());
    for n in 1..2000 {
        let found = inspect(&mut line, n, good_pixels(0));
        assert_eq!((found.bank_generation, map(&found)), (0, map(&before)), "the old bank goes on");
        if line.element_messages("snarm-bank-loaded").len() == 2 && warnings(&mut line).len() > 1 {
            break;
        }
    }
    inspect(&mut line, 2000, good_pixels(0));
    let mut told = warnings(&mut line);
    assert_eq!(told.len(), 2, "{told:?}");
    let of_region = told.remove(0);
    assert!(of_region.starts_with("frames: expected roi 0,0,1,1 and no ignore mask"), "{of_region}");
    assert!(told[0].contains("ignore mask") && told[0].contains("bank in use stays"), "{told:?}");
    let info = line.element.property::<gst::Structure>("bank-info");
    assert_eq!(info.get::<u32>("generation").unwrap(), 0);
    assert_eq!(info.get::<&str>("bank-id").unwrap(), before.bank_id);
}

#[test]
fn a_mask_of_the_detector_takes_the_place_of_the_banks() {
    let folder = tempfile::tempdir().unwrap();
    let mask = mask(folder.path());
    let location = learn(folder.path(), &[("ignore-mask", mask.to_str().unwrap())]);
    let scored_left = |properties: &[(&str, &str)]| {
        let all = [&[("bank-location", location.to_str().unwrap())], properties].concat();
        let mut line = Line::new(detector(&all), caps());
        let found = inspect(&mut line, 0, bad_pixels(0));
        let (map, width) = (map(&found), common::map_size(&found).columns);
        map.iter().enumerate().any(|(at, sample)| at % width < width / 2 && *sample > 0)
    };
    assert!(!scored_left(&[]));
    assert!(scored_left(&[("ignore-mask", "none")]));
    let upside = folder.path().join("other.pgm");
    std::fs::write(&upside, b"P5\n4 1\n255\n\x00\x00\xff\xff").unwrap();
    assert!(scored_left(&[("ignore-mask", upside.to_str().unwrap())]));
}

/// The light of a part that was not learned is not known, and frames that tell nothing of it are judged.
#[test]
fn another_part_than_the_banks_is_told_and_a_mask_that_hides_nothing_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let location = learn(folder.path(), &[]);
    let black = folder.path().join("black.pgm");
    std::fs::write(&black, b"P5\n2 1\n255\n\x00\x00").unwrap();
    let with = |properties: &[(&str, &str)]| {
        let all = [&[("bank-location", location.to_str().unwrap())], properties].concat();
        let mut line = Line::new(detector(&all), caps());
        let light = inspect(&mut line, 0, good_pixels(0)).light;
        inspect(&mut line, 1, good_pixels(1));
        (light, warnings(&mut line))
    };
    let by_bank = with(&[]);
    assert!(by_bank.0 > 0.0 && by_bank.1.is_empty(), "{by_bank:?}");
    assert_eq!(with(&[("ignore-mask", black.to_str().unwrap())]), by_bank);
    let mask = mask(folder.path());
    for (properties, found) in [
        (("roi", RIGHT), "found roi 0.5,0,0.5,1 and no ignore mask"),
        (("ignore-mask", mask.to_str().unwrap()), "found roi 0,0,1,1 and an ignore mask of"),
    ] {
        let (light, told) = with(&[properties]);
        assert!(light < 0.0 && told.len() == 1, "{light} {told:?}");
        assert!(
            told[0].starts_with("frames: expected roi 0,0,1,1 and no ignore mask, as the bank"),
            "{told:?}"
        );
        assert!(told[0].contains(found) && told[0].contains("neither measured nor corrected"), "{told:?}");
    }
}

#[test]
fn a_missing_mask_is_not_found_and_named() {
    init();
    let bank = gst::ElementFactory::make("snarmbank").property("location", "/tmp/never-written.bank");
    let missing = "/nowhere/mask.png";
    for element in
        [detector(&[("ignore-mask", missing)]), bank.property("ignore-mask", missing).build().unwrap()]
    {
        let error = start_error(element);
        assert!(error.matches(gst::ResourceError::NotFound), "{error}");
        assert!(error.message().contains(missing), "{error}");
    }
}
