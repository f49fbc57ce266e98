//! What an application does with a `snarmbank` while it plays: pause, go on, take back, finish, start anew.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gst::prelude::*;
use snarm_core::bank::Bank;
use tempfile::TempDir;

use crate::common::{GOOD_FRAMES, Line, bad_pixels, buffer, caps, good_pixels, init, start_error};

/// An element with some properties that writes to `part.bank`, and that path.
pub(crate) fn element(folder: &TempDir, properties: &[(&str, &str)]) -> (gst::Element, PathBuf) {
    init();
    let location = folder.path().join("part.bank");
    let element = gst::ElementFactory::make("snarmbank")
        .property("location", location.to_str().unwrap())
        .property("bank-capacity", 300_u32)
        .build()
        .unwrap();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    (element, location)
}

pub(crate) fn line(folder: &TempDir, properties: &[(&str, &str)]) -> (Line, PathBuf) {
    let (element, location) = element(folder, properties);
    (Line::new(element, caps()), location)
}

/// Pushes good frames of these numbers.
pub(crate) fn push(line: &mut Line, frames: std::ops::Range<u64>) {
    for n in frames {
        line.harness.push(buffer(n, good_pixels(n))).unwrap();
    }
}

fn state(line: &Line) -> String {
    let value = line.element.property_value("state");
    gst::glib::EnumValue::from_value(&value).unwrap().1.nick().to_owned()
}

/// A bank of these good frames with some properties.
pub(crate) fn bank_of(frames: std::ops::Range<u64>, properties: &[(&str, &str)]) -> Bank {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, properties);
    push(&mut line, frames);
    line.finish();
    Bank::open(&location).unwrap()
}

#[test]
fn append_keeps_the_rows_and_counts_the_scores_of_the_existing_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, location) = line(&folder, &[("bank-capacity", "100000")]);
    push(&mut first, 0..8);
    first.finish();
    let old = Bank::open(&location).unwrap();

    let (mut second, _) = line(&folder, &[("bank-capacity", "100000"), ("append", "true")]);
    assert_eq!(second.element.property::<u64>("vectors"), old.vectors() as u64);
    // A frame that is in the bank already: alone it would make everything else a defect. It is scored, not kept twice.
    push(&mut second, 0..1);
    second.finish();
    let new = Bank::open(&location).unwrap();
    assert_eq!((new.frames(), new.vectors()), (9, old.vectors()));
    let rows = |bank: &Bank| {
        let rows = bank
            .rows()
            .data
            .chunks(bank.width())
            .map(|row| row.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        rows.collect::<std::collections::BTreeSet<_>>()
    };
    assert!(rows(&new).is_superset(&rows(&old)), "rows of the existing file are lost");
    let (before, after) = (old.calibration(), new.calibration());
    assert!(after.frames > before.frames && after.reference > 0.9 * before.reference, "{before:?} {after:?}");
    // The bank goes on as it began.
    let (other, _) = element(&folder, &[("append", "true"), ("crop", "paper")]);
    let error = start_error(other);
    assert!(error.message().contains("crop of the bank: expected auto, found paper"), "{error}");
}

#[test]
fn append_to_a_missing_file_fails_at_start_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let (element, location) = element(&folder, &[("append", "true")]);
    let error = start_error(element);
    assert!(error.matches(gst::ResourceError::NotFound), "{error}");
    assert!(error.message().contains(location.to_str().unwrap()), "{error}");
}

#[test]
fn frames_that_add_nothing_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, _) = line(&folder, &[("min-novelty", "0.02")]);
    for n in 0..5 {
        line.harness.push(buffer(n, good_pixels(7))).unwrap();
    }
    let stats = line.element.property::<gst::Structure>("stats");
    assert_eq!((stats.get::<u64>("frames-used"), stats.get::<u64>("frames-skipped")), (Ok(1), Ok(4)));
    assert_eq!(stats.get::<f64>("novelty"), Ok(0.0));
    line.harness.push(buffer(5, bad_pixels(7))).unwrap();
    let novelty = line.element.property::<gst::Structure>("stats").get::<f64>("novelty").unwrap();
    assert!(novelty > 0.02, "{novelty}");
    // The limit is off: the same frame counts again.
    line.element.set_property("min-novelty", 0.0);
    line.harness.push(buffer(6, good_pixels(7))).unwrap();
    assert_eq!(line.element.property::<u64>("frames-used"), 3);
    assert_eq!(line.element.property::<u64>("frames-seen"), 7);
}

#[test]
fn learning_pauses_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, _) = line(&folder, &[]);
    push(&mut line, 0..3);
    line.element.set_property("learning", false);
    assert_eq!(state(&line), "paused");
    push(&mut line, 3..6);
    assert_eq!(line.element.property::<u64>("frames-seen"), 3, "frames that only pass are not seen");
    assert_eq!(line.harness.buffers_received(), 6);
    line.element.set_property("learning", true);
    assert_eq!(state(&line), "learning");
    push(&mut line, 6..8);
    assert_eq!(line.element.property::<u64>("frames-used"), 5);
    line.finish();
}

#[test]
fn a_checkpoint_is_a_whole_bank_and_learning_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[("checkpoint-frames", "4")]);
    push(&mut line, 0..3);
    assert!(!location.exists());
    push(&mut line, 3..4);
    let partial = Bank::open(&location).unwrap();
    assert_eq!(partial.frames(), 4);
    let told = line.element_message("snarm-bank-checkpoint");
    assert_eq!(told.get::<String>("digest").unwrap(), partial.digest());
    assert_eq!((state(&line), line.element.property::<u64>("frames-used")), ("learning".into(), 4));
    let mut detector = Line::new(
        gst::ElementFactory::make("snarmdetect").property("bank-location", &location).build().unwrap(),
        caps(),
    );
    assert!(detector.harness.push_and_pull(buffer(0, good_pixels(0))).is_ok(), "a detector takes it at once");
    push(&mut line, 4..9);
    assert_eq!(line.element.property::<gst::Structure>("stats").get::<u64>("checkpoints"), Ok(2));
    line.finish();
    assert_eq!(
        Bank::open(&location).unwrap().digest(),
        bank_of(0..9, &[]).digest(),
        "checkpoints change nothing"
    );
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let (element, _) = element(&folder, &[("checkpoint-frames", "3")]);
    element.set_property("location", inner.join("part.bank").to_str().unwrap());
    let mut line = Line::new(element, caps());
    push(&mut line, 0..2);
    fs::remove_dir(&inner).unwrap();
    push(&mut line, 2..4);
    let warnings = line.heard(gst::MessageType::Warning);
    let gst::MessageView::Warning(warning) = warnings[0].view() else { unreachable!() };
    assert!(warning.error().message().contains("inner/part.bank"), "{}", warning.error());
    assert_eq!(line.element.property::<u64>("frames-used"), 4, "learning goes on");
    assert!(!line.eos());
    assert!(line.error().matches(gst::ResourceError::OpenWrite));
}

#[test]
fn finalize_writes_at_once_and_says_whether_it_could() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[]);
    let ready = Arc::new(Mutex::new(Vec::new()));
    let heard = ready.clone();
    line.element.connect("bank-ready", false, move |values| {
        let told = (values[1].get::<String>().unwrap(), values[2].get::<u32>().unwrap());
        heard.lock().unwrap().push(told);
        None
    });
    assert!(!line.element.emit_by_name::<bool>("finalize", &[]), "there is no frame yet");
    let warnings = line.heard(gst::MessageType::Warning);
    let gst::MessageView::Warning(warning) = warnings[0].view() else { unreachable!() };
    let text = warning.error().message().to_owned();
    assert!(text.contains("at least 1") && text.contains("found 0"), "{text}");
    assert_eq!(state(&line), "learning");
    push(&mut line, 0..9);
    assert!(line.element.emit_by_name::<bool>("finalize", &[]));
    let bank = Bank::open(&location).unwrap();
    assert_eq!((bank.frames(), state(&line)), (9, "ready".into()));
    assert_eq!(bank.digest(), bank_of(0..9, &[]).digest(), "the refused attempt changed nothing");
    let told = (location.to_str().unwrap().to_owned(), bank.vectors() as u32);
    assert_eq!(*ready.lock().unwrap(), [told]);
    assert!(!line.element.emit_by_name::<bool>("finalize", &[]), "there is nothing left to do");
    push(&mut line, 9..12);
    line.finish();
    assert_eq!(Bank::open(&location).unwrap().frames(), 9, "EOS wrote again");
}

#[test]
fn what_was_collected_is_there_before_anybody_hears_of_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, (element, _)) = (folder.path().join("inner"), element(&folder, &[]));
    fs::create_dir(&inner).unwrap();
    let location = inner.join("part.bank");
    element.set_property("location", location.to_str().unwrap());
    let mut line = Line::new(element, caps());
    push(&mut line, 0..2);
    fs::remove_dir(&inner).unwrap();
    let taken = Arc::new(Mutex::new(None));
    let (heard, element) = (taken.clone(), line.element.downgrade());
    line.element.bus().unwrap().set_sync_handler(move |_, message| {
        if let gst::MessageView::Progress(progress) = message.view()
            && progress.type_() == gst::ProgressType::Error
        {
            // EOS would come in the same way.
            let taken = element.upgrade().unwrap().emit_by_name::<u32>("discard-last", &[&2_u32]);
            *heard.lock().unwrap() = Some(taken);
        }
        gst::BusSyncReply::Pass
    });
    assert!(!line.element.emit_by_name::<bool>("finalize", &[]));
    assert_eq!(*taken.lock().unwrap(), Some(2), "EOS would have gone on without a bank");
    assert_eq!(state(&line), "learning");
    assert!(!line.eos(), "EOS went on without a bank");
    assert!(!location.exists());
}

#[test]
fn reset_learns_anew_even_from_the_handler_of_a_finished_bank() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[("max-frames", "5")]);
    line.element.connect("bank-ready", false, |values| {
        values[0].get::<gst::Element>().unwrap().emit_by_name::<()>("reset", &[]);
        None
    });
    push(&mut line, 0..5);
    assert_eq!((state(&line), line.element.property::<u64>("frames-used")), ("learning".into(), 0));
    let first = Bank::open(&location).unwrap();
    push(&mut line, 20..25);
    let second = Bank::open(&location).unwrap();
    assert_eq!((first.frames(), second.frames()), (5, 5));
    assert_ne!(first.digest(), second.digest());
    assert_eq!(second.digest(), bank_of(20..25, &[]).digest(), "nothing of the first bank is left");
}

#[test]
fn discarded_frames_leave_no_trace() {
    // Room for all frames: where it is full, what made room for the discarded ones is lost.
    let room = [("bank-capacity", "2000")];
    for (bad, discard) in [(1, 1), (4, 4), (9, 9)] {
        let folder = tempfile::tempdir().unwrap();
        let (mut line, location) = line(&folder, &room);
        push(&mut line, 0..GOOD_FRAMES);
        for n in 0..bad {
            line.harness.push(buffer(100 + n, bad_pixels(n))).unwrap();
        }
        assert_eq!(line.element.emit_by_name::<u32>("discard-last", &[&(discard as u32)]), discard as u32);
        assert_eq!(line.element.property::<u64>("frames-used"), GOOD_FRAMES);
        push(&mut line, GOOD_FRAMES..GOOD_FRAMES + 3);
        line.finish();
        let clean = bank_of(0..GOOD_FRAMES + 3, &room);
        assert_eq!(Bank::open(&location).unwrap().digest(), clean.digest(), "{bad} frames taken back");
    }
}

#[test]
fn all_frames_can_be_discarded_and_no_more_than_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[]);
    push(&mut line, 0..7);
    assert_eq!(line.element.emit_by_name::<u32>("discard-last", &[&5_u32]), 5);
    assert_eq!(line.element.property::<u64>("frames-used"), 2);
    assert!(line.element.emit_by_name::<bool>("finalize", &[]));
    assert_eq!(Bank::open(&location).unwrap().digest(), bank_of(0..2, &[]).digest());
    line.element.emit_by_name::<()>("reset", &[]);
    push(&mut line, 0..3);
    assert_eq!(line.element.emit_by_name::<u32>("discard-last", &[&99_u32]), 3);
    assert_eq!(line.element.property::<u64>("vectors"), 0);
    assert!(!line.eos(), "a bank of nothing");
    assert!(line.error().message().contains("found 0"));
}

#[test]
fn a_bank_is_continued_by_one_element_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, location) = line(&folder, &[]);
    push(&mut first, 0..4);
    first.finish();
    let (mut second, _) = line(&folder, &[("append", "true"), ("checkpoint-frames", "1")]);
    push(&mut second, 4..6);
    let (third, _) = element(&folder, &[("append", "true")]);
    let error = start_error(third);
    assert!(
        error.matches(gst::ResourceError::OpenWrite) || error.matches(gst::ResourceError::Write),
        "{error}"
    );
    assert!(error.message().contains("somebody else is writing it"), "{error}");
    // A reset gives the file up and takes it again.
    second.element.emit_by_name::<()>("reset", &[]);
    push(&mut second, 6..7);
    second.finish();
    assert_eq!(Bank::open(&location).unwrap().frames(), 7);
    let (mut fourth, _) = line(&folder, &[("append", "true")]);
    push(&mut fourth, 7..8);
    fourth.finish();
    assert_eq!(Bank::open(&location).unwrap().frames(), 8);
}

#[test]
fn a_bank_is_written_by_one_element_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    // Two copies of a line, in which the location was not changed.
    let [(mut first, location), (mut second, _)] = [(); 2].map(|()| line(&folder, &[]));
    push(&mut first, 0..4);
    push(&mut second, 4..9);
    first.finish();
    second.harness.push_event(gst::event::Eos::new());
    let heard = second.heard(gst::MessageType::Error);
    let Some(gst::MessageView::Error(error)) = heard.first().map(|message| message.view()) else {
        panic!("expected an error, found {heard:?}");
    };
    assert!(error.error().message().contains("another program has written it meanwhile"), "{error:?}");
    assert_eq!(Bank::open(&location).unwrap().frames(), 4, "the first bank is gone");
    // One that is there is refused at the start.
    let (mut third, _) = line(&folder, &[]);
    push(&mut third, 9..12);
    let (fourth, _) = element(&folder, &[]);
    let error = start_error(fourth);
    assert!(error.message().contains("somebody else is writing it"), "{error}");
    third.finish();
    assert_eq!(Bank::open(&location).unwrap().frames(), 3);
}

#[test]
fn copies_are_counted_and_a_threshold_that_is_a_guess_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[]);
    for n in [0, 1, 2, 0, 1, 2] {
        line.harness.push(buffer(n, good_pixels(n))).unwrap();
    }
    line.finish();
    assert_eq!(line.element_message("snarm-bank-ready").get::<u64>("copies"), Ok(3));
    let text = |line: &mut Line| {
        let warnings = line.heard(gst::MessageType::Warning);
        let gst::MessageView::Warning(warning) = warnings.first().expect("a warning").view() else {
            unreachable!()
        };
        warning.error().message().to_owned()
    };
    let expected = "expected at least 4 good frames that are no copies, found 3";
    assert!(text(&mut line).contains(expected), "{}", text(&mut line));
    let detector =
        gst::ElementFactory::make("snarmdetect").property("bank-location", location.to_str().unwrap());
    let mut line = Line::new(detector.build().unwrap(), caps());
    line.inspect(0, good_pixels(9));
    assert!(text(&mut line).contains(expected), "{}", text(&mut line));
    let info = line.element.property::<gst::Structure>("bank-info");
    assert_eq!(info.get::<u64>("copies"), Ok(3));
}

#[test]
fn one_frame_makes_a_bank_in_all_views_and_warnings_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[("max-frames", "1")]);
    push(&mut line, 0..4);
    assert_eq!(state(&line), "ready");
    let bank = Bank::open(&location).unwrap();
    assert_eq!((bank.frames(), bank.views_text()), (1, "all".to_owned()));
    let ready = line.element_message("snarm-bank-ready");
    assert_eq!(ready.get::<&str>("views"), Ok("all"));
    let warnings = line.warnings();
    for text in [
        "expected at least 4 good frames that are no copies, found 1, learned in 16 views each; learn more good frames",
        "views: all learned; one good frame alone does not say how others differ: expected 4, found 1",
    ] {
        assert!(warnings.iter().any(|warning| warning.contains(text)), "{text}: {warnings:?}");
    }
    assert!(warnings.iter().any(|warning| warning == ready.get::<&str>("views-reason").unwrap()));
    let detector =
        gst::ElementFactory::make("snarmdetect").property("bank-location", location.to_str().unwrap());
    let mut line = Line::new(detector.build().unwrap(), caps());
    assert!(line.inspect(0, bad_pixels(9)).score > line.inspect(1, good_pixels(9)).score);
    assert!(line.warnings()[0].contains("found 1, learned in 16 views each"), "{:?}", line.warnings());
}

#[test]
fn a_checkpoint_of_one_frame_changes_no_bank_of_more() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[("checkpoint-frames", "1")]);
    push(&mut line, 0..1);
    assert_eq!(Bank::open(&location).unwrap().views_text(), "all");
    assert_eq!(line.element.property::<u64>("frames-used"), 1);
    line.element.set_property("checkpoint-frames", 0_u32);
    push(&mut line, 1..5);
    line.finish();
    assert_eq!(Bank::open(&location).unwrap().digest(), bank_of(0..5, &[]).digest());
}

#[test]
fn frames_decide_which_views_are_learned_and_the_message_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (mut line, location) = line(&folder, &[("views", "auto")]);
    push(&mut line, 0..4);
    line.finish();
    let ready = line.element_message("snarm-bank-ready");
    let bank = Bank::open(&location).unwrap();
    assert_eq!(ready.get::<String>("views").unwrap(), bank.views_text());
    assert!(bank.vectors() <= 300);
    let why: String = ready.get("views-reason").unwrap();
    let expected = format!("views: {} learned; expected views that make one of 4 frames", bank.views_text());
    assert!(why.starts_with(&expected) && why.contains("light ") && why.contains("turns "), "{why}");
    let stages = line.element_messages("snarm-progress");
    assert!(stages.iter().any(|fields| fields.get("stage") == Ok("views")), "{stages:?}");
}
