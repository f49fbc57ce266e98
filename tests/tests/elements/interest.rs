//! What `snarmdetect` attaches beside its own meta, and whose networks it shares.

use std::sync::Arc;

use gst_video::VideoRegionOfInterestMeta as Roi;
use snarm_core::registry;

use crate::common::{HEIGHT, Line, WIDTH, bad_pixels, bank, buffer, caps, detector, how, init, read};

/// The regions of interest on a buffer.
fn rois(buffer: &gst::BufferRef) -> Vec<gst::MetaRef<'_, Roi>> {
    buffer.iter_meta::<Roi>().collect()
}

#[test]
fn flags_choose_the_metas() {
    init();
    for (flags, own, others) in [("meta+roi", true, true), ("meta", true, false), ("roi", false, true)] {
        let mut line = Line::new(detector(&[("attach", flags), ("pixel-threshold", "0")]), caps());
        let out = line.harness.push_and_pull(buffer(0, bad_pixels(0))).unwrap();
        assert_eq!(gstsnarm::meta::read(&out).is_some(), own, "{flags}");
        assert_eq!(!rois(&out).is_empty(), others, "{flags}");
    }
}

#[test]
fn each_region_is_a_region_of_interest_with_a_detection() {
    init();
    let mut line = Line::new(detector(&[("pixel-threshold", "0.3")]), caps());
    let mut frame = buffer(0, bad_pixels(0));
    // A foreign one stays.
    Roi::add(frame.get_mut().unwrap(), "person", (1, 2, 3, 4));
    let out = line.harness.push_and_pull(frame).unwrap();
    let meta = read(&out);
    let (ours, foreign): (Vec<_>, Vec<_>) =
        rois(&out).into_iter().partition(|roi| roi.roi_type() == "anomaly");
    assert_eq!((ours.len(), foreign.len()), (meta.regions.len(), 1));
    assert!(!ours.is_empty());
    for (roi, region) in ours.iter().zip(&meta.regions) {
        let (x, y, w, h) = roi.rect();
        let pixels = |fraction: f64, side: usize| (fraction * side as f64).round() as u32;
        assert_eq!((x, y), (pixels(region.rect.x, WIDTH), pixels(region.rect.y, HEIGHT)));
        assert_eq!(x + w, pixels(region.rect.x + region.rect.w, WIDTH));
        assert_eq!(y + h, pixels(region.rect.y + region.rect.h, HEIGHT));
        assert_eq!(roi.id(), region.id as i32);
        let detection = roi.param("detection").unwrap();
        assert_eq!(detection.get::<f64>("confidence").unwrap(), region.score);
        assert_eq!(detection.get::<i32>("label_id").unwrap(), 0);
        assert_eq!(detection.get::<f64>("x_min").unwrap(), region.rect.x);
        assert_eq!(detection.get::<f64>("y_min").unwrap(), region.rect.y);
        assert_eq!(detection.get::<f64>("x_max").unwrap(), region.rect.x + region.rect.w);
        assert_eq!(detection.get::<f64>("y_max").unwrap(), region.rect.y + region.rect.h);
    }
}

#[test]
fn a_second_detector_takes_the_place_of_the_first() {
    init();
    let (first, second) = (detector(&[("pixel-threshold", "0")]), detector(&[("pixel-threshold", "0.3")]));
    let mut lines = [Line::new(first, caps()), Line::new(second, caps())];
    let between = lines[0].harness.push_and_pull(buffer(0, bad_pixels(0))).unwrap();
    let out = lines[1].harness.push_and_pull(between).unwrap();
    assert_eq!(rois(&out).len(), read(&out).regions.len());
}

#[test]
fn stale_frames_have_the_regions_of_their_result() {
    init();
    let mut line = Line::new(detector(&[("interval", "2"), ("pixel-threshold", "0.3")]), caps());
    let first = line.harness.push_and_pull(buffer(0, bad_pixels(0))).unwrap();
    let second = line.harness.push_and_pull(buffer(1, bad_pixels(1))).unwrap();
    let rects = |out: &gst::Buffer| rois(out).iter().map(|roi| roi.rect()).collect::<Vec<_>>();
    assert!(read(&second).stale && !rects(&first).is_empty());
    assert_eq!(rects(&first), rects(&second));
}

#[test]
fn instances_keep_networks_apart() {
    init();
    let name = format!("instance {}", std::process::id());
    let mine = || Line::new(detector(&[("model-instance-id", &name)]), caps());
    let bank = registry::bank(std::path::Path::new(bank())).unwrap();
    let lines = [mine(), mine()];
    let shared = registry::encoder_for(&bank, None, how(None)).unwrap();
    let instance = registry::encoder_for(&bank, None, how(Some(&name))).unwrap();
    assert!(!Arc::ptr_eq(&shared, &instance), "an instance of its own shares the network of all");
    assert_eq!(Arc::strong_count(&instance), 3, "two elements of one instance hold two networks");
    drop(lines);
    assert_eq!(Arc::strong_count(&instance), 1, "a stopped element holds on to its network");
}
