//! What cameras, files and users do to `snarmdetect`.

use std::fs;

use gst::prelude::*;
use gst_app::AppSink;

use crate::common::{self, bank, error_on, init, read};

/// A pipeline of a launch line; its `appsink`s do not wait for the clock.
fn pipeline(line: &str) -> (gst::Pipeline, Vec<AppSink>) {
    init();
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sinks: Vec<AppSink> =
        pipeline.iterate_sinks().into_iter().filter_map(|sink| sink.ok()?.downcast().ok()).collect();
    sinks.iter().for_each(|sink| sink.set_sync(false));
    (pipeline, sinks)
}

/// Waits for the end of a pipeline, which must not be an error.
fn wait_for_eos(pipeline: &gst::Pipeline) {
    let bus = pipeline.bus().unwrap();
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &kinds).expect("an end");
    if let gst::MessageView::Error(error) = end.view() {
        panic!("{}", error.error());
    }
}

/// Frames of the synthetic line's size.
const SOURCE: &str = "video/x-raw,format=RGB,width=64,height=48,framerate=25/1";

#[test]
fn a_flushing_seek_goes_on_with_frames_from_there() {
    for policy in ["block", "skip"] {
        let (pipeline, sinks) = pipeline(&format!(
            "videotestsrc num-buffers=200 ! {SOURCE} ! snarmdetect threshold=0 busy-policy={policy} \
             bank-location={} ! appsink name=sink max-buffers=1",
            bank()
        ));
        pipeline.set_state(gst::State::Playing).unwrap();
        let first = sinks[0].pull_sample().unwrap();
        assert_eq!(first.buffer().unwrap().pts(), Some(gst::ClockTime::ZERO), "{policy}");
        let to = gst::ClockTime::from_seconds(4);
        pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, to).unwrap();
        let next = sinks[0].pull_sample().unwrap();
        assert_eq!(next.buffer().unwrap().pts(), Some(to), "{policy}: a frame from before the seek");
        let meta = read(next.buffer().unwrap());
        assert!(meta.analysed && meta.frame_number > 0, "{policy}");
        let bus = pipeline.bus().unwrap();
        let ends = bus.iter().filter(|message| {
            message.structure().is_some_and(|s| {
                s.name() == "snarm-defect-end"
                    && s.get::<&str>("reason").is_ok_and(|reason| reason == "flush")
            })
        });
        assert_eq!(ends.count(), 1, "{policy}: the defect before the seek");
        pipeline.set_state(gst::State::Null).unwrap();
    }
}

#[test]
fn a_pipeline_may_be_started_again_and_again() {
    for policy in ["block", "skip"] {
        let (pipeline, _) = pipeline(&format!(
            "videotestsrc num-buffers=5 ! {SOURCE} ! snarmdetect name=d busy-policy={policy} \
             bank-location={} ! fakesink",
            bank()
        ));
        let element = pipeline.by_name("d").unwrap();
        let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
        for start in 0..4 {
            pipeline.set_state(gst::State::Playing).unwrap();
            let wait = gst::ClockTime::from_seconds(30);
            let end = pipeline.bus().unwrap().timed_pop_filtered(wait, &kinds);
            assert!(
                end.is_some_and(|end| end.type_() == gst::MessageType::Eos),
                "{policy}: start {start} does not come to its end"
            );
            assert_eq!(common::count(&element, "frames"), 5, "{policy}, {start}");
            pipeline.set_state(gst::State::Null).unwrap();
        }
    }
}

#[test]
fn caps_change_amid_a_stream_in_a_pipeline() {
    let (pipeline, sinks) = pipeline(&format!(
        "concat name=c ! snarmdetect bank-location={} ! appsink \
         videotestsrc num-buffers=3 ! {SOURCE} ! c. \
         videotestsrc num-buffers=3 ! video/x-raw,format=NV12,width=17,height=33,framerate=0/1 ! c. \
         videotestsrc num-buffers=3 ! video/x-raw,format=GRAY16_LE,width=640,height=16,framerate=1/1 ! c.",
        bank()
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    let samples = std::iter::from_fn(|| sinks[0].pull_sample().ok());
    let sizes: Vec<(u32, u32)> = samples
        .map(|sample| {
            let meta = read(sample.buffer().unwrap());
            assert!(meta.analysed);
            (meta.resolution.width, meta.resolution.height)
        })
        .collect();
    wait_for_eos(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
    // A stream of framerate 0/1 is one still.
    assert_eq!(sizes, [&[(64, 48); 3][..], &[(17, 33)], &[(640, 16); 3]].concat());
}

#[test]
fn two_detectors_behind_a_tee_judge_the_same_frames_apart() {
    let (pipeline, sinks) = pipeline(&format!(
        "videotestsrc num-buffers=8 ! {SOURCE} ! tee name=t \
         t. ! queue ! snarmdetect bank-location={bank} threshold=0 source-id=a ! appsink name=a \
         t. ! queue ! snarmdetect bank-location={bank} threshold=1 source-id=b ! appsink name=b",
        bank = bank()
    ));
    pipeline.set_state(gst::State::Playing).unwrap();
    for sink in &sinks {
        let source = sink.name();
        let metas: Vec<_> = std::iter::from_fn(|| sink.pull_sample().ok())
            .map(|sample| read(sample.buffer().unwrap()))
            .collect();
        assert_eq!(metas.len(), 8, "{source}");
        let right = |meta: &gstsnarm::meta::AnomalyMeta| {
            meta.source_id.as_deref() == Some(source.as_str()) && meta.is_anomalous() == (source == "a")
        };
        assert!(metas.iter().all(right), "{source} has the results of the other branch");
    }
    wait_for_eos(&pipeline);
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn one_of_two_pipelines_is_killed_and_the_other_goes_on() {
    let line = format!(
        "videotestsrc num-buffers=60 ! {SOURCE} ! snarmdetect bank-location={} ! appsink max-buffers=1",
        bank()
    );
    let (killed, first) = pipeline(&line);
    let (other, second) = pipeline(&line);
    for running in [&killed, &other] {
        running.set_state(gst::State::Playing).unwrap();
    }
    // Amid its stream, with frames inside, and without EOS.
    first[0].pull_sample().unwrap();
    killed.set_state(gst::State::Null).unwrap();
    drop((killed, first));
    let left = std::iter::from_fn(|| second[0].pull_sample().ok());
    assert_eq!(left.filter(|sample| read(sample.buffer().unwrap()).analysed).count(), 60);
    wait_for_eos(&other);
    other.set_state(gst::State::Null).unwrap();
}

#[test]
fn results_that_cannot_be_written_end_the_pipeline_with_the_reason() {
    let (pipeline, _) = pipeline(&format!(
        "videotestsrc ! {SOURCE} ! snarmdetect bank-location={} results-location=/nowhere/a.jsonl ! fakesink",
        bank()
    ));
    assert!(pipeline.set_state(gst::State::Playing).is_err());
    let error = error_on(&pipeline.bus().unwrap());
    assert!(
        error.matches(gst::ResourceError::OpenWrite) && error.message().contains("/nowhere/a.jsonl"),
        "{error}"
    );
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_bank_truncated_at_every_4_kib_is_refused() {
    init();
    let whole = fs::read(bank()).unwrap();
    let location = common::scratch(&format!("truncated-{}.bank", std::process::id()));
    fs::write(&location, &whole).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&location).unwrap();
    let element = gst::ElementFactory::make("snarmdetect").build().unwrap();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    element.set_property("bank-location", location.to_str().unwrap());
    for length in (0..whole.len() as u64).step_by(4096).collect::<Vec<_>>().into_iter().rev() {
        file.set_len(length).unwrap();
        assert!(element.set_state(gst::State::Paused).is_err(), "{length} bytes were taken for a bank");
        let error = error_on(&bus);
        assert!(error.matches(gst::StreamError::WrongType), "{length} bytes: {error}");
        assert!(error.message().contains("expected"), "{length} bytes: {error}");
        element.set_state(gst::State::Null).unwrap();
    }
    fs::remove_file(location).unwrap();
}
