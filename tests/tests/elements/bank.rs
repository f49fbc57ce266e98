//! `snarmbank`.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use snarm_core::bank::Bank;
use tempfile::TempDir;

use crate::common::{
    self, GOOD_FRAMES, HEIGHT, Line, WIDTH, buffer, calibration, caps, caps_of, good_pixels, init,
};

/// A bank element that writes to `name` in `folder`.
fn element(folder: &TempDir, name: &str) -> gst::Element {
    init();
    let location = folder.path().join(name);
    gst::ElementFactory::make("snarmbank")
        .property("location", location.to_str().unwrap())
        .property("bank-capacity", 200_u32)
        .build()
        .unwrap()
}

/// Nick of the element's state.
fn state(element: &gst::Element) -> String {
    let value = element.property_value("state");
    gst::glib::EnumValue::from_value(&value).unwrap().1.nick().to_owned()
}

#[test]
fn eos_is_held_until_the_bank_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    let mut line = Line::new(element(&folder, "part.bank"), caps());
    line.push_good(GOOD_FRAMES);
    assert!(!location.exists(), "written before EOS");
    let seen = Arc::new(Mutex::new(None));
    let (probe_seen, probe_location) = (seen.clone(), location.clone());
    let pad = line.element.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
            *probe_seen.lock().unwrap() = Some(Bank::open(&probe_location).is_ok());
        }
        gst::PadProbeReturn::Ok
    });
    line.finish();
    assert_eq!(*seen.lock().unwrap(), Some(true), "EOS passed a complete bank");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left in the folder");
}

#[test]
fn progress_is_told_from_start_to_complete() {
    let folder = tempfile::tempdir().unwrap();
    let mut line = Line::new(element(&folder, "part.bank"), caps());
    line.push_good(GOOD_FRAMES);
    line.finish();
    let mut steps = Vec::new();
    for message in line.heard(gst::MessageType::Progress) {
        let gst::MessageView::Progress(progress) = message.view() else { unreachable!() };
        assert_eq!(progress.code(), "snarm-bank");
        let percent: i32 = message.structure().unwrap().get("percent").unwrap();
        steps.push((progress.type_(), percent));
    }
    assert_eq!(steps.first(), Some(&(gst::ProgressType::Start, 0)));
    assert_eq!(steps.last(), Some(&(gst::ProgressType::Complete, 100)));
    assert!(steps.is_sorted_by_key(|&(_, percent)| percent), "{steps:?}");
    // The end of each stage is told, whatever the machine's pace.
    let stages: Vec<(String, f64)> = line
        .heard(gst::MessageType::Element)
        .iter()
        .filter_map(|message| message.structure().filter(|fields| fields.name() == "snarm-progress"))
        .map(|fields| {
            let left: f64 = fields.get("seconds-left").unwrap();
            assert!(left >= -1.0, "{fields}");
            (fields.get("stage").unwrap(), fields.get("share").unwrap())
        })
        .collect();
    for stage in ["reduce", "calibrate"] {
        assert!(stages.contains(&(stage.to_owned(), 1.0)), "{stages:?}");
    }
}

#[test]
fn the_ready_message_says_what_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut line = Line::new(element(&folder, "part.bank"), caps());
    line.push_good(GOOD_FRAMES);
    line.finish();
    let ready = line.element_message("snarm-bank-ready");
    let location: String = ready.get("location").unwrap();
    let bank = Bank::open(Path::new(&location)).unwrap();
    assert_eq!(ready.get::<String>("digest").unwrap(), bank.digest());
    assert_eq!(ready.get::<u64>("vectors").unwrap(), bank.vectors() as u64);
    assert_eq!(ready.get::<u64>("frames").unwrap(), bank.frames() as u64);
    let calibration = calibration(&bank);
    assert_eq!(ready.get::<f64>("threshold").unwrap(), 0.5, "that of every bank");
    assert_eq!(ready.get::<f64>("score-mean").unwrap(), calibration.mean);
    assert_eq!(ready.get::<f64>("score-std").unwrap(), calibration.std);
    assert_eq!(ready.get::<f64>("score-max").unwrap(), calibration.max);
    let promise = bank.promise(&calibration);
    let [low, high] = ["false-alarms-low", "false-alarms-high"].map(|name| ready.get::<f64>(name).unwrap());
    assert_eq!((low, high), (promise.rate_low, promise.rate_high));
    assert!(low < high && high < 1.0, "{promise:?}");
    // The stream says 25 frames a second.
    assert!(calibration.step.is_none_or(|step| (step - 0.04).abs() < 1e-3), "{:?}", calibration.step);
    assert!(ready.get::<f64>("seconds").unwrap() > 0.0);
    assert!(bank.vectors() <= 200);
    assert_eq!(line.element.property::<u64>("vectors"), bank.vectors() as u64);
}

#[test]
fn every_state_is_notified() {
    let folder = tempfile::tempdir().unwrap();
    let element = element(&folder, "part.bank");
    let states = Arc::new(Mutex::new(vec![state(&element)]));
    let heard = states.clone();
    element.connect_notify(Some("state"), move |element, _| heard.lock().unwrap().push(state(element)));
    let mut line = Line::new(element, caps());
    line.push_good(GOOD_FRAMES);
    line.finish();
    assert_eq!(*states.lock().unwrap(), ["idle", "learning", "finishing", "ready"]);
}

#[test]
fn no_frame_is_an_error_with_both_numbers_and_the_old_bank_stays() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    fs::write(&location, "an older bank").unwrap();
    let mut line = Line::new(element(&folder, "part.bank"), caps());
    line.element.set_property("learning", false);
    line.push_good(1);
    assert!(!line.eos(), "EOS went on although there is no bank");
    let error = line.error();
    assert!(error.matches(gst::StreamError::Failed), "{error}");
    assert!(error.message().contains("at least 1") && error.message().contains("found 0"), "{error}");
    assert_eq!(fs::read_to_string(&location).unwrap(), "an older bank");
    assert_eq!(state(&line.element), "failed");
}

#[test]
fn eos_before_the_first_frame_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut line = Line::new(element(&folder, "part.bank"), caps());
    assert!(!line.eos(), "EOS went on although there is no bank");
    let error = line.error();
    assert!(error.matches(gst::StreamError::Failed), "{error}");
    assert!(error.message().contains("found 0"), "{error}");
    assert!(!folder.path().join("part.bank").exists());
}

#[test]
fn stopping_before_eos_writes_nothing_and_keeps_the_old_bank() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    fs::write(&location, "an older bank").unwrap();
    let mut line = Line::new(element(&folder, "part.bank"), caps());
    line.push_good(GOOD_FRAMES);
    line.element.set_state(gst::State::Null).unwrap();
    assert_eq!(fs::read_to_string(&location).unwrap(), "an older bank");
    assert_eq!(state(&line.element), "idle");
}

#[test]
fn max_frames_writes_the_bank_and_passes_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let element = element(&folder, "part.bank");
    element.set_property("max-frames", GOOD_FRAMES as u32);
    let mut line = Line::new(element, caps());
    line.push_good(GOOD_FRAMES);
    assert_eq!(state(&line.element), "ready");
    let written = fs::read(folder.path().join("part.bank")).unwrap();
    line.push_good(3);
    assert_eq!(line.harness.buffers_received(), GOOD_FRAMES as u32 + 3);
    assert_eq!(line.element.property::<u64>("frames-used"), GOOD_FRAMES);
    assert_eq!(line.element.property::<u64>("frames-seen"), GOOD_FRAMES);
    line.finish();
    assert_eq!(fs::read(folder.path().join("part.bank")).unwrap(), written, "written twice");
}

#[test]
fn interval_takes_each_nth_frame_and_broken_frames_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let element = element(&folder, "part.bank");
    element.set_property("interval", 2_u32);
    let mut line = Line::new(element, caps());
    for i in 0..6 {
        let mut frame = buffer(i, good_pixels(i));
        if i == 2 {
            frame.get_mut().unwrap().set_flags(gst::BufferFlags::CORRUPTED);
        }
        line.harness.push(frame).unwrap();
    }
    assert_eq!(line.element.property::<u64>("frames-seen"), 6);
    assert_eq!(line.element.property::<u64>("frames-used"), 2);
    assert!(line.element.property::<u64>("vectors") > 0);
}

#[test]
fn frames_pass_without_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let mut line = Line::new(element(&folder, "part.bank"), caps());
    let frame = buffer(0, good_pixels(0));
    let address = frame.as_ptr();
    let passed = line.harness.push_and_pull(frame).unwrap();
    assert_eq!(passed.as_ptr(), address);
}

#[test]
fn odd_sizes_stills_and_new_caps_are_learned() {
    let folder = tempfile::tempdir().unwrap();
    let mut line = Line::new(element(&folder, "part.bank"), caps_of("GRAY8", 17, 33, 0));
    for i in 0..GOOD_FRAMES {
        // Rows of 17 samples are padded to 20 bytes by default.
        let samples = (0..20 * 33).map(|at| 100 + common::noise(i * 1000 + at) % 8).collect();
        line.harness.push(buffer(i, samples)).unwrap();
    }
    line.harness.set_src_caps(caps_of("RGB", WIDTH, HEIGHT, 25));
    line.push_good(2);
    line.finish();
    assert_eq!(line.element.property::<u64>("frames-used"), GOOD_FRAMES + 2);
}

#[test]
fn the_same_frames_and_seed_give_the_same_bank() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.bank"), folder.path().join("second.bank"));
    common::learn(&first, 7);
    common::learn(&second, 7);
    let digest = |path| Bank::open(path).unwrap().digest().to_owned();
    assert_eq!(digest(&first), digest(&second));
}

#[test]
fn a_missing_location_fails_at_start() {
    init();
    let error = common::start_error(gst::ElementFactory::make("snarmbank").build().unwrap());
    assert!(error.matches(gst::ResourceError::Settings), "{error}");
    assert!(error.message().contains("location"), "{error}");
}

#[test]
fn a_location_that_cannot_be_written_fails_at_start() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["missing/part.bank", "."] {
        let error = common::start_error(element(&folder, name));
        assert!(error.matches(gst::ResourceError::OpenWrite), "{name}: {error}");
        assert!(error.message().contains(folder.path().to_str().unwrap()), "{name}: {error}");
    }
}

#[test]
fn a_missing_encoder_fails_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let element = element(&folder, "part.bank");
    element.set_property("encoder", folder.path().join("none.safetensors").to_str().unwrap());
    let error = common::start_error(element);
    assert!(error.matches(gst::ResourceError::NotFound), "{error}");
    assert!(error.message().contains("none.safetensors"), "{error}");
}
