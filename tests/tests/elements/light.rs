//! Frames in another light than the learned ones, and frames that cannot be judged.

use std::path::PathBuf;
use std::sync::LazyLock;

use gst::prelude::*;

use crate::common::{
    self, GOOD_FRAMES, HEIGHT, Line, WIDTH, buffer, caps, good_pixels, init, learn_as, noise, scratch,
};

/// A detector of the default encoder, which shows more of these small frames than that of the other tests.
fn detector(properties: &[(&str, &str)]) -> gst::Element {
    static BANK: LazyLock<PathBuf> = LazyLock::new(|| {
        let location = scratch("light.bank");
        learn_as(&location, 0, &[("encoder", "snarm-tiny")]);
        location
    });
    let bank = ("bank-location", BANK.to_str().unwrap());
    common::detector(&[&[bank], properties].concat())
}

/// A good frame with its light changed.
fn lit(n: u64, by: f64) -> Vec<u8> {
    good_pixels(n).into_iter().map(|v| (f64::from(v) * by).round().min(255.0) as u8).collect()
}

#[test]
fn a_frame_in_other_light_is_brought_to_what_was_learned() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    let usual = line.inspect(0, good_pixels(40));
    let dark = line.inspect(1, lit(40, 0.7));
    line.element.set_property("light-correction", false);
    let as_it_is = line.inspect(2, lit(40, 0.7));
    assert!(
        (usual.light - 1.0).abs() < 0.02 && (dark.light - 0.7).abs() < 0.02,
        "{} {}",
        usual.light,
        dark.light
    );
    assert_eq!(dark.light, as_it_is.light);
    assert!(dark.score < as_it_is.score, "{} {}", dark.score, as_it_is.score);
    assert!((usual.sharpness - 1.0).abs() < 0.1 && usual.reason.is_none(), "{}", usual.sharpness);
}

#[test]
fn a_frame_that_tells_nothing_has_no_verdict_and_a_reason() {
    init();
    let mut line = Line::new(detector(&[("message-mode", "all")]), caps());
    let mut verdict = |n, pixels| {
        let meta = line.inspect(n, pixels);
        (meta.verdict.name(), meta.reason.map(|reason| reason.name()))
    };
    assert_eq!(verdict(0, lit(0, 0.1)), ("unknown", Some("too-dark")));
    assert_eq!(verdict(1, lit(0, 20.0)), ("unknown", Some("too-bright")));
    let covered = good_pixels(0).chunks_exact(3).flat_map(|_| [40, 90, 60]).collect();
    assert_eq!(verdict(2, covered), ("unknown", Some("covered")));
    let told = line.element_messages("snarm-result");
    assert_eq!(told[0].get::<&str>("reason").unwrap(), "too-dark");
    assert!(told[0].get::<f64>("score").unwrap() >= 0.0, "the score is what it would be");
    line.element.set_property("quality-gate", false);
    let meta = line.inspect(3, lit(0, 0.1));
    assert!(meta.verdict.name() != "unknown" && meta.reason.is_none());
}

#[test]
fn drift_is_told_when_it_begins_and_ends() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    let lights = [vec![1.0; 10], vec![0.7; 8], vec![1.0; 60]].concat();
    for (n, by) in (0..).zip(lights) {
        line.inspect(n, lit(n, by));
    }
    let mut told = line.element_messages("snarm-drift");
    told.retain(|fields| fields.get::<&str>("kind").unwrap() == "light");
    let drifting: Vec<bool> = told.iter().map(|fields| fields.get("drifting").unwrap()).collect();
    assert_eq!(drifting, [true, false]);
    let number = |name: &str| told[0].get::<f64>(name).unwrap();
    assert!(number("light") < number("light-low") && number("light-low") <= number("light-high"));
    for (name, other) in [("value", "light"), ("low", "light-low"), ("high", "light-high")] {
        assert_eq!(number(name), number(other));
    }
    let stats = line.element.property::<gst::Structure>("stats");
    assert!((0.9..1.02).contains(&stats.get::<f64>("light").unwrap()), "{stats}");
}

#[test]
fn white_balance_drifts_under_names_of_its_own() {
    init();
    let coloured = |n: u64| {
        let by = [1.15, 1.0, 0.85];
        let pixels = good_pixels(n).into_iter().zip(by.iter().cycle());
        pixels.map(|(v, by)| (f64::from(v) * by).round().min(255.0) as u8).collect::<Vec<u8>>()
    };
    let mut line = Line::new(detector(&[]), caps());
    for n in 0..60 {
        line.inspect(n, if n < 10 { good_pixels(n) } else { coloured(n) });
    }
    let told = line.element_messages("snarm-drift");
    let of_kind = |kind: &str| told.iter().find(|fields| fields.get::<&str>("kind").unwrap() == kind);
    let number = |fields: &gst::Structure, name: &str| fields.get::<f64>(name).unwrap();
    let (red, blue) = (of_kind("red").expect("red drifts"), of_kind("blue").expect("blue drifts"));
    assert!(red.get::<bool>("drifting").unwrap() && number(red, "value") > number(red, "high"), "{red}");
    assert!(number(blue, "value") < number(blue, "low") && !blue.has_field("light"), "{blue}");
    let [stats, info] = ["stats", "bank-info"].map(|name| line.element.property::<gst::Structure>(name));
    assert!(number(&stats, "red") > 1.03 && number(&stats, "blue") < 0.97, "{stats}");
    for kind in ["light", "red", "blue", "slope-x", "slope-y", "sharpness"] {
        for end in ["low", "high"] {
            let name = format!("{kind}-{end}");
            assert_eq!(number(&stats, &name), number(&info, &name));
        }
        assert!(number(&info, &format!("{kind}-low")) <= number(&info, &format!("{kind}-high")), "{info}");
    }
}

/// A frame of stripes of two pixels each, or the same with its stripes blurred away.
fn fine(n: u64, is_blurred: bool) -> Vec<u8> {
    let level = |at: usize| {
        let stripe = if (at % WIDTH / 2).is_multiple_of(2) { 80 } else { 120 };
        (if is_blurred { 100 } else { stripe }) + noise((n << 32) + at as u64) % 4
    };
    (0..WIDTH * HEIGHT).flat_map(|at| [level(at), level(at) + 20, level(at) + 40]).collect()
}

#[test]
fn a_blurred_frame_has_no_verdict_and_its_reason() {
    init();
    let location = scratch("fine.bank");
    let learner = gst::ElementFactory::make("snarmbank")
        .property("location", location.to_str().unwrap())
        .property("bank-capacity", 500_u32)
        .build()
        .unwrap();
    let mut learned = Line::new(learner, caps());
    (0..GOOD_FRAMES).for_each(|n| _ = learned.harness.push(buffer(n, fine(n, false))).unwrap());
    learned.finish();
    let inspector = common::detector(&[("bank-location", location.to_str().unwrap())]);
    let mut line = Line::new(inspector, caps());
    let sharp = line.inspect(0, fine(40, false));
    assert!(sharp.reason.is_none() && (0.8..1.2).contains(&sharp.sharpness), "{}", sharp.sharpness);
    let blurred = line.inspect(1, fine(41, true));
    let told = (blurred.verdict.name(), blurred.reason.map(|reason| reason.name()));
    assert_eq!(told, ("unknown", Some("blurred")), "{}", blurred.sharpness);
    assert!(blurred.sharpness < 0.4 && (blurred.light - 1.0).abs() < 0.1, "{}", blurred.light);
    line.element.set_property("quality-gate", false);
    let judged = line.inspect(2, fine(42, true));
    assert!(judged.verdict.name() != "unknown" && judged.reason.is_none() && judged.sharpness < 0.4);
}
