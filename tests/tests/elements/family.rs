//! A second family of models, the simplest that there can be (`models/mean`), in the elements.

use gst::prelude::*;
use snarm_core::bank::Bank;
use snarm_core::models::mean;
use snarm_core::registry;

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
