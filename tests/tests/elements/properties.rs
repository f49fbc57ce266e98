//! Every property of `snarmdetect` is set and its effect is seen. A property without an arm here fails the test.

use std::path::Path;

use gst::glib;
use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta as Roi;
use gstsnarm::meta::AnomalyMeta;
use snarm_core::detect::PrecisionChoice;
use snarm_core::{Precision, registry};

use crate::common::{
    Line, bad_pixels, bank, buffer, calibration, caps, detector, how, init, learn_as, map_size, read,
    start_error,
};

/// The metas of four frames, all with a blotch, and the element after them.
fn run(properties: &[(&str, &str)]) -> (Vec<AnomalyMeta>, Line) {
    let mut line = Line::new(detector(properties), caps());
    for n in 0..4 {
        line.harness.push(buffer(n, bad_pixels(0))).unwrap();
    }
    line.finish();
    let metas = std::iter::from_fn(|| line.harness.try_pull()).map(|frame| read(&frame)).collect();
    (metas, line)
}

/// The first of them.
fn first(properties: &[(&str, &str)]) -> AnomalyMeta {
    run(properties).0.remove(0)
}

/// Element messages of that name after four frames.
fn messages(name: &str, properties: &[(&str, &str)]) -> Vec<gst::Structure> {
    run(properties).1.element_messages(name)
}

/// How many results were emitted for four frames.
fn emitted(value: &str) -> usize {
    let element = detector(&[("emit-signals", value)]);
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = count.clone();
    element.connect("result", false, move |_| {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        None
    });
    let mut line = Line::new(element, caps());
    line.push_good(4);
    count.load(std::sync::atomic::Ordering::SeqCst)
}

/// Whether a device that no machine has is an error, where it is asked for.
pub(crate) fn is_no_device(element: impl Fn(&[(&str, &str)]) -> gst::Element) -> bool {
    let error = start_error(element(&[("device", "cuda"), ("cuda-device-id", "4096")]));
    error.message().starts_with("CUDA: expected ")
}

/// Whether `of`, which says in which precision frames were seen with that choice, says what was asked for; where the
/// processor lacks bf16, whether that is an error.
pub(crate) fn is_rounded(
    element: impl Fn(&[(&str, &str)]) -> gst::Element,
    of: impl Fn(&str) -> String,
) -> bool {
    let auto = PrecisionChoice::Auto.choose().unwrap();
    let bf16 = match Precision::Bf16.is_available() {
        true => of("bf16") == "bf16",
        false => {
            let error = start_error(element(&[("precision", "bf16")]));
            error.message().contains("a processor with AVX512-BF16")
        }
    };
    bf16 && of("f32") == "f32" && of("auto") == auto.name()
}

/// Whether the property does what its blurb says.
fn has_effect(name: &str) -> bool {
    let score = first(&[]).score;
    let calibration = calibration(&registry::bank(Path::new(bank())).unwrap());
    let above = (score + 1e-3).to_string();
    match name {
        "bank-location" => first(&[]).bank_id == registry::bank(Path::new(bank())).unwrap().digest(),
        "encoder" => start_error(detector(&[("encoder", "/nowhere")])).matches(gst::ResourceError::NotFound),
        "model-location" => {
            start_error(detector(&[("model-location", "/nowhere")])).matches(gst::ResourceError::NotFound)
                && first(&[("model-location", "none")]).model_id.ends_with(":training-free")
        }
        // What runs where there is one: tests/tests/gstcuda.
        "device" | "cuda-device-id" => first(&[("device", "cpu")]).device == "cpu" && is_no_device(detector),
        "precision" => is_rounded(detector, |choice| first(&[(name, choice)]).precision.clone()),
        // Two networks or one: see `attach`.
        "model-instance-id" => {
            let line = Line::new(detector(&[("model-instance-id", "properties")]), caps());
            let bank = registry::bank(Path::new(bank())).unwrap();
            let encoder = registry::encoder_for(&bank, None, how(Some("properties"))).unwrap();
            let held = std::sync::Arc::strong_count(&encoder);
            drop(line);
            held == 2
        }
        "threshold-mode" => {
            first(&[("threshold-mode", "fpr")]).threshold != first(&[("threshold-mode", "bank")]).threshold
        }
        "threshold" => {
            first(&[("threshold", "0")]).is_anomalous() && !first(&[("threshold", &above)]).is_anomalous()
        }
        "threshold-low" => {
            first(&[("threshold", &above), ("threshold-low", "0")]).verdict.name() == "uncertain"
                && first(&[("threshold", &above)]).verdict.name() == "normal"
        }
        "target-fpr" => {
            first(&[("threshold-mode", "fpr"), ("target-fpr", "0.01")]).threshold
                == calibration.threshold_at_fpr(0.01)
        }
        "target-events-per-hour" => {
            let mode = ("threshold-mode", "events");
            // The caps say 25 frames a second, of which each second one is analysed.
            let found = first(&[mode, ("target-events-per-hour", "900"), ("interval", "2")]).threshold;
            found == calibration.threshold_at_events(900.0, 12.5)
                && first(&[mode, ("target-events-per-hour", "9")]).threshold > found
        }
        "sigma" => {
            first(&[("threshold-mode", "sigma"), ("sigma", "1.5")]).threshold
                == calibration.threshold_at_sigma(1.5)
        }
        "pixel-threshold" => {
            first(&[("pixel-threshold", "0")]).area > 0.99 && first(&[("pixel-threshold", "1")]).area == 0.0
        }
        "min-area" => {
            // Next to the peak a region is small.
            let peak = (first(&[]).score_max - 1e-3).to_string();
            !first(&[("pixel-threshold", &peak)]).regions.is_empty()
                && first(&[("pixel-threshold", &peak), ("min-area", "1")]).regions.is_empty()
        }
        "max-regions" => first(&[("pixel-threshold", "0"), ("max-regions", "0")]).regions.is_empty(),
        "roi" => {
            let meta = first(&[("roi", "0.5,0,0.5,1"), ("pixel-threshold", "0")]);
            (meta.seen.x, meta.seen.w) == (0.5, 0.5) && meta.regions.iter().all(|region| region.rect.x >= 0.5)
        }
        "ignore-mask" => {
            let folder = tempfile::tempdir().unwrap();
            let location = folder.path().join("mask.png");
            // White on the left, where the blotch is.
            let mask = image::GrayImage::from_fn(64, 48, |x, _| image::Luma([if x < 32 { 255 } else { 0 }]));
            mask.save(&location).unwrap();
            first(&[("ignore-mask", location.to_str().unwrap())]).score < score
        }
        "light-correction" => {
            let dark: Vec<u8> = bad_pixels(0).iter().map(|v| v / 2 + v / 4).collect();
            let score = |value: &str| {
                let mut line = Line::new(detector(&[("light-correction", value)]), caps());
                line.inspect(0, dark.clone()).score
            };
            score("true") != score("false")
        }
        "quality-gate" => {
            let verdict = |value: &str| {
                let mut line = Line::new(detector(&[("quality-gate", value)]), caps());
                line.inspect(0, vec![0; bad_pixels(0).len()]).verdict.name()
            };
            verdict("true") == "unknown" && verdict("false") != "unknown"
        }
        "crop" => {
            let folder = tempfile::tempdir().unwrap();
            let squares = folder.path().join("squares.bank");
            learn_as(&squares, 0, &[("crop", "full")]);
            let bank = ("bank-location", squares.to_str().unwrap());
            let map = |crop: &str| first(&[bank, ("crop", crop)]).map_rect;
            let [whole, paper, high] = ["full", "paper", "letterbox"].map(map);
            // Frames of 4:3: the square of a letterbox reaches beyond them above and below.
            map("bank") == whole && (0.06..0.065).contains(&paper.x) && high.y < 0.0 && high.w == 1.0
        }
        "tiles" | "tile-overlap" | "min-defect" => {
            // The shared bank is one of whole frames.
            let columns = |properties: &[(&str, &str)]| map_size(&first(properties)).columns;
            let whole = columns(&[]);
            match name {
                "tiles" => columns(&[(name, "2x1")]) > whole && columns(&[(name, "none")]) == whole,
                "tile-overlap" => columns(&[("tiles", "2x1"), (name, "0")]) == 2 * whole,
                _ => columns(&[(name, "0.25")]) > whole && columns(&[(name, "8")]) == whole,
            }
        }
        "interval" => {
            let analysed = |n: &str| run(&[("interval", n)]).0.iter().filter(|meta| meta.analysed).count();
            [analysed("1"), analysed("2"), analysed("4")] == [4, 2, 1]
        }
        "busy-policy" => {
            let stale = |policy: &str| run(&[("busy-policy", policy)]).0.iter().filter(|m| m.stale).count();
            stale("block") == 0 && stale("skip") > 0
        }
        "enabled" => !first(&[("enabled", "false")]).analysed && first(&[]).analysed,
        "pass" => {
            let passed = |pass: &str| run(&[("threshold", "0"), ("pass", pass)]).0.len();
            [passed("all"), passed("anomalous"), passed("normal")] == [4, 4, 0]
        }
        "confirm-frames" => {
            let begins =
                |n: &str| messages("snarm-defect-begin", &[("threshold", "0"), ("confirm-frames", n)]).len();
            begins("4") == 1 && begins("5") == 0
        }
        "hold-time" => {
            let ends = |time: &str| {
                let mut line = Line::new(detector(&[("hold-time", time)]), caps());
                line.push_verdicts(0, "ann");
                line.element_messages("snarm-defect-end").len()
            };
            ends("0") == 1 && ends("1000000000") == 0 && ends(&u64::MAX.to_string()) == 0
        }
        "attach" => {
            let mut line = Line::new(detector(&[("attach", "meta"), ("pixel-threshold", "0")]), caps());
            let frame = line.harness.push_and_pull(buffer(0, bad_pixels(0))).unwrap();
            frame.iter_meta::<Roi>().count() == 0 && gstsnarm::meta::read(&frame).is_some()
        }
        "map-format" => {
            let size = |format: &str| first(&[("map-format", format)]).map.map_or(0, |map| map.size());
            size("none") == 0 && size("gray16") == 2 * size("gray8")
        }
        "message-mode" => {
            let results = |mode: &str| messages("snarm-result", &[("message-mode", mode)]).len();
            results("all") == 4 && results("events") == 0
        }
        "emit-signals" => emitted("true") == 4 && emitted("false") == 0,
        "results-location" => {
            let folder = tempfile::tempdir().unwrap();
            let location = folder.path().join("run.jsonl");
            run(&[("results-location", location.to_str().unwrap())]);
            std::fs::read_to_string(location).unwrap().lines().count() == 4
        }
        "results-mode" => {
            let folder = tempfile::tempdir().unwrap();
            let location = folder.path().join("run.jsonl");
            let lines = |mode: &str| {
                run(&[("results-location", location.to_str().unwrap()), ("results-mode", mode)]);
                std::fs::read_to_string(&location).unwrap().lines().count()
            };
            [lines("fail"), lines("append"), lines("overwrite")] == [4, 8, 4]
        }
        "source-id" => first(&[("source-id", "camera 7")]).source_id.as_deref() == Some("camera 7"),
        "stats-interval" => messages("snarm-stats", &[("stats-interval", "1")]).len() == 4,
        "report-latency" => {
            let told =
                |value: &str| run(&[("report-latency", value)]).1.heard(gst::MessageType::Latency).len();
            told("true") > 0 && told("false") == 0
        }
        "last-score" => {
            let (metas, line) = run(&[]);
            line.element.property::<f64>("last-score") == metas[3].score
        }
        "stats" => {
            let (_, line) = run(&[]);
            line.element.property::<gst::Structure>("stats").get::<u64>("analysed").unwrap() == 4
        }
        "bank-info" => {
            let (metas, line) = run(&[]);
            let info = line.element.property::<gst::Structure>("bank-info");
            info.get::<&str>("bank-id").unwrap() == metas[0].bank_id
        }
        other => panic!("the property {other} has no test of its effect"),
    }
}

/// Tries every property of an element; those without the effect that they promise fail the test.
pub(crate) fn check_effects(element: &str, has_effect: impl Fn(&str) -> bool) {
    init();
    let element = gst::ElementFactory::make(element).build().unwrap();
    let own: Vec<_> = element.list_properties().to_vec();
    let own: Vec<_> = own.into_iter().filter(|p| p.owner_type() == element.type_()).collect();
    let both = glib::ParamFlags::READABLE | glib::ParamFlags::WRITABLE;
    for property in own.iter().filter(|property| property.flags().contains(both)) {
        let found = element.property_value(property.name());
        assert_eq!(format!("{found:?}"), format!("{:?}", property.default_value()), "{}", property.name());
    }
    let names: Vec<String> = own.iter().map(|property| property.name().to_owned()).collect();
    assert!(names.len() >= 19, "{names:?}");
    // Blocks are left out of streams alone, which the frames of this test are not: tests/bank/calibration.rs has one.
    let elsewhere = |name: &&String| name.as_str() != "calibration-fraction";
    let idle: Vec<_> = names.iter().filter(elsewhere).filter(|name| !has_effect(name)).collect();
    assert!(idle.is_empty(), "properties without the effect that they promise: {idle:?}");
}

#[test]
fn every_property_of_snarmdetect_has_its_effect() {
    check_effects("snarmdetect", has_effect);
}
