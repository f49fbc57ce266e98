//! `SnarmAnomalyMeta` behind other people's elements.

use gst::prelude::*;
use gst_app::AppSink;
use gstsnarm::meta::AnomalyMeta;

use crate::common::{bank, error_on, init};

/// Frames that go through each pipeline.
const FRAMES: usize = 3;

/// Runs test frames through the detector and `rest`, and returns the metas that arrive at each `appsink`.
fn metas_behind(rest: &str) -> Vec<Vec<AnomalyMeta>> {
    init();
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc num-buffers={FRAMES} pattern=smpte ! video/x-raw,format=I420,width=160,height=120 \
         ! snarmdetect bank-location={} threshold=0 pixel-threshold=0 ! {rest}",
        bank()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let sinks = pipeline.iterate_sinks().into_iter().map(|sink| sink.unwrap().downcast::<AppSink>().unwrap());
    let sinks = sinks.collect::<Vec<_>>();
    for sink in &sinks {
        sink.set_sync(false);
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let metas = sinks.iter().map(|sink| {
        let samples = std::iter::from_fn(|| sink.pull_sample().ok());
        samples.filter_map(|sample| gstsnarm::meta::read(sample.buffer()?)).collect()
    });
    let metas = metas.collect();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(60),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    assert!(
        end.is_some_and(|message| message.type_() == gst::MessageType::Eos),
        "{rest}: {}",
        error_on(&bus)
    );
    pipeline.set_state(gst::State::Null).unwrap();
    metas
}

/// Checks that every frame behind `rest` still has the meta, in fractions of the frame as analysed.
fn check(rest: &str) {
    for metas in metas_behind(rest) {
        assert_eq!(metas.len(), FRAMES, "{rest}");
        for (n, meta) in metas.iter().enumerate() {
            assert!(meta.analysed, "{rest}");
            assert_eq!(meta.frame_number, n as u64, "{rest}");
            assert_eq!((meta.frame_width, meta.frame_height), (160, 120), "{rest}");
            assert!(!meta.regions.is_empty(), "{rest}");
            assert!(meta.map.as_ref().is_some_and(|map| map.size() > 0), "{rest}");
        }
    }
}

#[test]
fn a_format_change() {
    check("videoconvert ! video/x-raw,format=RGB ! appsink");
}

#[test]
fn a_size_change() {
    check("videoscale ! video/x-raw,width=64,height=64 ! appsink");
}

#[test]
fn both_branches_of_a_tee() {
    check("tee name=t t. ! queue ! appsink t. ! queue ! videoconvert ! video/x-raw,format=NV12 ! appsink");
}

#[test]
fn a_queue_an_identity_and_a_rate_change() {
    check("queue ! identity ! videorate ! appsink");
}

#[test]
fn the_jpeg_encoder_and_decoder() {
    check("jpegenc ! tee name=t t. ! queue ! appsink t. ! queue ! jpegdec ! appsink");
}

#[test]
fn the_h264_encoder_and_parser() {
    check("x264enc tune=zerolatency ! h264parse ! appsink");
}

#[test]
fn a_second_detector_takes_the_place_of_the_first() {
    check(&format!(
        "snarmdetect bank-location={} threshold=0 pixel-threshold=0 source-id=second ! appsink",
        bank()
    ));
}
