//! `snarmdetect` with files that are missing, broken or another's: each ends before the first frame, with an error
//! that names what was expected and found.

use std::fs;

use crate::common::{self, Line, bank, buffer, caps, detector, good_pixels, init, start_error};

/// The error for a bank file of these bytes.
fn error_for(bytes: &[u8]) -> gst::glib::Error {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    fs::write(&location, bytes).unwrap();
    let element = gst::ElementFactory::make("snarmdetect")
        .property("bank-location", location.to_str().unwrap())
        .build()
        .unwrap();
    start_error(element)
}

#[test]
fn a_missing_bank_is_not_found_and_named() {
    init();
    let element = gst::ElementFactory::make("snarmdetect")
        .property("bank-location", "/nowhere/part.bank")
        .build()
        .unwrap();
    let error = start_error(element);
    assert!(error.matches(gst::ResourceError::NotFound), "{error}");
    assert!(error.message().contains("/nowhere/part.bank"), "{error}");
}

#[test]
fn no_bank_at_all_is_a_fault_of_the_settings() {
    init();
    let error = start_error(gst::ElementFactory::make("snarmdetect").build().unwrap());
    assert!(error.matches(gst::ResourceError::Settings), "{error}");
    assert!(error.message().contains("bank-location"), "{error}");
}

#[test]
fn a_truncated_bank_is_refused_wherever_it_ends() {
    init();
    let whole = fs::read(bank()).unwrap();
    for part in [0, 4, 8, 20, whole.len() / 2, whole.len() - 1] {
        let error = error_for(&whole[..part]);
        assert!(error.matches(gst::StreamError::WrongType), "{part} bytes: {error}");
        assert!(error.message().contains("expected"), "{part} bytes: {error}");
    }
}

#[test]
fn a_foreign_file_is_refused() {
    init();
    let picture = b"\x89PNG\r\n\x1a\n and what follows in a picture".as_slice();
    let safetensors = b"\x08\0\0\0\0\0\0\0{}      ".as_slice();
    for foreign in [picture, safetensors, b"a line of text\n".as_slice()] {
        let error = error_for(foreign);
        assert!(error.matches(gst::StreamError::WrongType), "{error}");
        assert!(error.message().contains("expected") && error.message().contains("found"), "{error}");
    }
}

#[test]
fn a_bank_of_another_encoder_is_refused() {
    init();
    let digest = snarm_core::registry::encoder(None).unwrap().digest().to_owned();
    let mut bytes = fs::read(bank()).unwrap();
    let at = bytes
        .windows(digest.len())
        .position(|window| window == digest.as_bytes())
        .expect("digest in the bank");
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    let error = error_for(&bytes);
    assert!(error.matches(gst::StreamError::WrongType), "{error}");
    assert!(error.message().contains("expected") && error.message().contains("found"), "{error}");
}

#[test]
fn a_missing_encoder_is_not_found_and_named() {
    init();
    let error = start_error(detector(&[("encoder", "/nowhere/vit.safetensors")]));
    assert!(error.matches(gst::ResourceError::NotFound), "{error}");
    assert!(error.message().contains("/nowhere/vit.safetensors"), "{error}");
}

#[test]
fn results_that_cannot_be_written_fail_at_start() {
    init();
    let error = start_error(detector(&[("results-location", "/nowhere/run.jsonl")]));
    assert!(error.matches(gst::ResourceError::OpenWrite), "{error}");
    assert!(error.message().contains("/nowhere/run.jsonl"), "{error}");
}

#[test]
fn manual_mode_without_a_threshold_fails_at_start() {
    init();
    let error = start_error(detector(&[("threshold-mode", "manual")]));
    assert!(error.matches(gst::ResourceError::Settings), "{error}");
    let mut line = Line::new(detector(&[("threshold-mode", "manual"), ("threshold", "0.25")]), caps());
    let out = line.harness.push_and_pull(buffer(0, good_pixels(0))).unwrap();
    assert_eq!(gstsnarm::meta::read(&out).unwrap().threshold, 0.25);
}

#[test]
fn a_start_that_fails_keeps_the_older_results() {
    init();
    let results = common::scratch(&format!("older-{}.jsonl", std::process::id()));
    fs::write(&results, "{}\n").unwrap();
    let element = gst::ElementFactory::make("snarmdetect")
        .property("bank-location", "/nowhere/part.bank")
        .property("results-location", results.to_str().unwrap())
        .build()
        .unwrap();
    start_error(element);
    assert_eq!(fs::read_to_string(&results).unwrap(), "{}\n");
    fs::remove_file(results).unwrap();
}
