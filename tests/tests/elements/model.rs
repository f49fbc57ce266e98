//! `model-location`: a trained decoder in a pipeline, and files that are none.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use gst::prelude::*;
use snarm_core::models::snarm::decoder::{self, About, Provenance, Shape};
use snarm_core::registry;

use crate::common::{
    self, Line, bad_pixels, bank, buffer, caps, detector, good_pixels, how, init, scratch, start_error,
};

/// Writes a decoder with weights from a formula, for the encoder of that digest.
fn write_decoder(name: &str, encoder_digest: &str) -> PathBuf {
    let path = scratch(name);
    let encoder = registry::encoder(None).unwrap();
    let about = About {
        encoder: "snarm-tiny".to_owned(),
        encoder_digest: encoder_digest.to_owned(),
        side: encoder.input_side(),
        grid: encoder.grid_side(),
        shape: Shape { width: encoder.geometry().width(), channels: 16, branches: 1 },
        relative: false,
        provenance: Provenance::default(),
        licence: "MIT OR Apache-2.0".to_owned(),
        calibration: None,
    };
    decoder::save(&path, &about, &|name, shape| Ok(decoder::seeded_tensor(name, shape)), None).unwrap();
    path
}

/// A decoder for the encoder of the shared bank.
fn decoder() -> &'static str {
    static DECODER: LazyLock<PathBuf> =
        LazyLock::new(|| write_decoder("decoder.safetensors", registry::encoder(None).unwrap().digest()));
    DECODER.to_str().unwrap()
}

/// Score, raw score and model id of a bad frame.
fn scores_of(element: gst::Element) -> (f64, f64, String) {
    let mut line = Line::new(element, caps());
    let meta = gstsnarm::meta::read(&line.harness.push_and_pull(buffer(0, bad_pixels(0))).unwrap()).unwrap();
    assert!(meta.analysed);
    (meta.score, meta.score_raw, meta.record.model_id)
}

#[test]
fn a_decoder_changes_the_scores_and_names_itself() {
    init();
    let (score, raw, id) = scores_of(detector(&[]));
    let none = scores_of(detector(&[("model-location", "none")]));
    assert!(none.0 != score && none.1 != raw && none.2.ends_with(":training-free"), "{none:?}");
    let encoder = registry::encoder(None).unwrap();
    let shipped = registry::decoder(None, &encoder).unwrap().expect("a decoder ships").digest().to_owned();
    assert_eq!(id, format!("{}:head:{shipped}", encoder.digest()));
    let (other_score, other_raw, other_id) = scores_of(detector(&[("model-location", decoder())]));
    assert!(other_score != score && other_raw != raw, "{other_score} {other_raw}");
    assert!((0.0..1.0).contains(&other_raw), "a probability: {other_raw}");
    let digest = registry::decoder(Some(decoder()), &encoder).unwrap().unwrap().digest().to_owned();
    assert_eq!(other_id, format!("{}:head:{digest}", encoder.digest()));
}

#[test]
fn two_elements_share_one_decoder() {
    init();
    // A file of its own, so that no other test holds it.
    let encoder = registry::encoder(None).unwrap();
    let path = write_decoder(&format!("shared-{}.safetensors", std::process::id()), encoder.digest());
    let bytes = std::fs::read(&path).unwrap();
    let copy = scratch(&format!("copy-{}.safetensors", std::process::id()));
    std::fs::write(&copy, bytes).unwrap();
    let encoder = registry::encoder_with(None, None, how(None)).unwrap();
    let lines =
        [&path, &copy].map(|path| Line::new(detector(&[("model-location", path.to_str().unwrap())]), caps()));
    let decoder = registry::decoder(path.to_str(), &encoder).unwrap().unwrap();
    let held = Arc::strong_count(&decoder);
    assert!(held >= 3, "the two elements hold other decoders than the registry's: {held}");
    for line in &lines {
        line.element.set_state(gst::State::Null).unwrap();
    }
    assert!(Arc::strong_count(&decoder) <= held - 2, "a stopped element holds on to its decoder");
    std::fs::remove_file(path).unwrap();
    std::fs::remove_file(copy).unwrap();
}

#[test]
fn a_decoder_that_does_not_fit_fails_at_start() {
    init();
    let foreign = write_decoder("foreign.safetensors", "0123abc");
    let text = scratch("no-decoder.txt");
    std::fs::write(&text, "not a decoder").unwrap();
    for element in ["snarmdetect", "snarmbank"] {
        let start = |model: &str| {
            let element = gst::ElementFactory::make(element).build().unwrap();
            let bank = if element.has_property("bank-location") { bank().into() } else { scratch("no.bank") };
            let location = if element.has_property("bank-location") { "bank-location" } else { "location" };
            element.set_property(location, bank.to_str().unwrap());
            element.set_property("model-location", model);
            start_error(element)
        };
        let error = start("/nowhere/decoder.safetensors");
        assert!(error.matches(gst::ResourceError::NotFound), "{element}: {error}");
        assert!(error.message().contains("/nowhere/decoder.safetensors"), "{element}: {error}");
        let error = start(text.to_str().unwrap());
        assert!(error.matches(gst::StreamError::WrongType), "{element}: {error}");
        assert!(error.message().contains("expected a safetensors file"), "{element}: {error}");
        let error = start(bank());
        assert!(error.message().contains("expected a snarm decoder, found format"), "{element}: {error}");
        let error = start(foreign.to_str().unwrap());
        assert!(error.matches(gst::StreamError::WrongType), "{element}: {error}");
        assert!(
            error.message().contains("expected the weights 0123abc (snarm-tiny), found"),
            "{element}: {error}"
        );
    }
}

#[test]
fn a_bank_learned_with_a_decoder_is_calibrated_for_it() {
    init();
    let location = scratch(&format!("calibrated-{}.bank", std::process::id()));
    let element = gst::ElementFactory::make("snarmbank")
        .property("location", location.to_str().unwrap())
        .property("model-location", decoder())
        .property("bank-capacity", 300_u32)
        .build()
        .unwrap();
    let mut line = Line::new(element, caps());
    line.push_good(common::GOOD_FRAMES);
    line.finish();
    let made = registry::bank(&location).unwrap();
    let encoder = registry::encoder(None).unwrap();
    let decoder = registry::decoder(Some(decoder()), &encoder).unwrap().unwrap();
    let calibration = made.calibration_of(decoder.scorer()).expect("a calibration for the decoder").clone();
    let ready = line.element_message("snarm-bank-ready");
    assert_eq!(ready.get::<f64>("score-mean").unwrap(), calibration.mean);

    // On the scale of the bank a good frame lies near 0.5 or below; without it the same probability is another score.
    let scored = |bank: &str| {
        let element = gst::ElementFactory::make("snarmdetect")
            .property("bank-location", bank)
            .property("model-location", self::decoder())
            .build()
            .unwrap();
        let mut line = Line::new(element, caps());
        let out = line.harness.push_and_pull(buffer(0, good_pixels(3))).unwrap();
        gstsnarm::meta::read(&out).unwrap()
    };
    let meta = scored(location.to_str().unwrap());
    assert!((meta.score - calibration.score(meta.score_raw)).abs() < 1e-9);
    assert_eq!(meta.pixel_threshold, calibration.pixel_threshold);
    let without = scored(bank());
    assert!(
        (without.score - 4.0 * without.score_raw.powi(2) / (1.0 + 4.0 * without.score_raw.powi(2))).abs()
            < 1e-9
    );
    std::fs::remove_file(location).unwrap();
}

#[test]
fn an_encoder_and_a_decoder_of_any_name_are_found() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.safetensors"));
    std::fs::copy(decoder(), &path).unwrap();
    let element = detector(&[]);
    element.set_property("model-location", &path);
    assert_eq!(scores_of(element), scores_of(detector(&[("model-location", decoder())])));
    // A file that is there and no encoder.
    for (name, location, file) in [
        ("snarmbank", "location", folder.path().join("a.bank")),
        ("snarmdetect", "bank-location", bank().into()),
    ] {
        let element = gst::ElementFactory::make(name)
            .property("encoder", &path)
            .property(location, file)
            .build()
            .unwrap();
        let error = start_error(element);
        assert!(!error.matches(gst::ResourceError::NotFound), "{name}: {error}");
        assert!(error.message().contains("caf"), "{name}: {error}");
    }
}
