//! A second family of models, the simplest that there can be (`models/mean`), in the elements.

use gst::prelude::*;
use snarm_core::bank::Bank;
use snarm_core::models::scan_order::Curve;
use snarm_core::models::{mean, pyramid_mamba};
use snarm_core::registry;
use snarm_tests::checkpoint;

use crate::common::{GOOD_FRAMES, Line, bad_pixels, bank, caps, good_pixels, init};

#[test]
fn a_second_family_learns_and_detects() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let (decoder, location) = (folder.path().join("mean.safetensors"), folder.path().join("part.bank"));
    let known = Bank::open(bank().as_ref()).unwrap();
    let mut sum = vec![0.0; known.width()];
    for row in known.rows().data.chunks_exact(known.width()) {
        sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += v / known.vectors() as f32);
    }
    mean::save(&decoder, &registry::encoder(None).unwrap(), &sum).unwrap();

    let make = |name: &str, bank: &str| {
        let element = gst::ElementFactory::make(name)
            .property("model-location", decoder.to_str().unwrap())
            .property(bank, location.to_str().unwrap());
        element.build().unwrap()
    };
    let mut line = Line::new(make("snarmbank", "location"), caps());
    line.push_good(GOOD_FRAMES);
    line.finish();
    let learned = Bank::open(&location).unwrap();
    assert!(learned.memory().is_none() && learned.calibration().scorer.starts_with("mean:"));

    let mut line = Line::new(make("snarmdetect", "bank-location"), caps());
    let (good, bad) = (line.inspect(0, good_pixels(0)), line.inspect(1, bad_pixels(1)));
    assert!(good.model_id.ends_with(&learned.calibration().scorer), "{}", good.model_id);
    assert!(bad.score > good.score && bad.bank_id == learned.digest(), "{} {}", bad.score, good.score);
    let info = line.element.property::<gst::Structure>("bank-info");
    assert_eq!(info.get::<u64>("vectors").unwrap(), 0);
}

/// A published checkpoint, which holds its own encoder, in place of a bank; then a bank that was made with it.
#[test]
fn a_decoder_that_reconstructs_detects_without_a_bank() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let (model, location) = (folder.path().join("model.safetensors"), folder.path().join("part.bank"));
    checkpoint::write(&model, &pyramid_mamba::KIND, &checkpoint::narrow(4, Curve::Sweep), [1, 1, 1]);
    let model = model.to_str().unwrap().to_owned();
    let make = |name: &'static str| gst::ElementFactory::make(name).property("model-location", model.clone());
    let mut line = Line::new(make("snarmdetect").build().unwrap(), caps());
    let found = line.inspect(0, good_pixels(0));
    assert!(found.model_id.contains(":pyramid-mamba:") && found.analysed, "{}", found.model_id);
    let info = line.element.property::<gst::Structure>("bank-info");
    assert_eq!(info.get::<String>("location").unwrap(), model);
    assert_eq!((info.get::<u64>("frames").unwrap(), info.get::<u64>("vectors").unwrap()), (0, 0));

    let mut good = Line::new(
        make("snarmbank").property("location", location.to_str().unwrap()).build().unwrap(),
        caps(),
    );
    good.push_good(GOOD_FRAMES);
    good.finish();
    let learned = Bank::open(&location).unwrap();
    let bank = make("snarmdetect").property("bank-location", location.to_str().unwrap()).build().unwrap();
    let mut calibrated = Line::new(bank, caps());
    let again = calibrated.inspect(0, good_pixels(0));
    assert_eq!(
        (again.model_id.as_str(), again.bank_id.as_str()),
        (found.model_id.as_str(), learned.digest())
    );
    assert_ne!(again.score, found.score, "the bank brings the scale");
}
