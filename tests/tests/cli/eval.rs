//! `snarm eval`: its settings, and what its JSON file holds.

use std::path::Path;

use serde_json::Value;
use snarm_core::metrics::{Samples, auroc};

use crate::model::write_decoder_of;
use crate::run::{run, stderr};

/// Two small simulated products, the second one seen from another side of its random numbers.
pub(crate) fn products(dir: &Path, names: [&str; 2]) {
    for (seed, name) in names.into_iter().enumerate() {
        let line = format!(
            "simulate --out set/{name} --as frames --good-frames 8 --frames 10 --width 192 --height 144 --seed {seed}"
        );
        run(dir, &line, 0);
    }
}

fn evaluate(dir: &Path, options: &str) -> Value {
    run(dir, &format!("eval --data set --capacity 400 --reduction random --json out.json {options}"), 0);
    read(&dir.join("out.json"))
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).expect("figures")).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("expected a number, found {value}"))
}

#[test]
fn figures_follow_from_the_scores_of_the_images() {
    let dir = tempfile::tempdir().expect("a folder");
    products(dir.path(), ["a", "b"]);
    let all = evaluate(dir.path(), "");
    let bytes = std::fs::read(dir.path().join("out.json")).expect("figures");
    for name in ["a", "b"] {
        let category = &all["categories"][name];
        let images = category["images"].as_array().expect("images");
        let mut samples = Samples::new();
        let (mut hits, mut passes) = (0, 0);
        for image in images {
            let (bad, called) = (image["anomalous"] == true, image["called_anomalous"] == true);
            samples.push(number(&image["raw_score"]) as f32, bad);
            assert_eq!(called, number(&image["score"]) >= number(&category["bank"]["threshold"]), "{image}");
            hits += u64::from(bad && called);
            passes += u64::from(!bad && !called);
            let path = image["path"].as_str().expect("a path");
            assert!(dir.path().join("set").join(path).is_file(), "{path}");
        }
        assert_eq!(category["image_auroc"].as_f64(), auroc(&samples.rank().expect("numbers")));
        let verdicts = &category["verdicts"];
        assert_eq!((verdicts["hits"].as_u64(), verdicts["passes"].as_u64()), (Some(hits), Some(passes)));
        let count = |what: &str| category["counts"][what].as_u64().expect("a count");
        assert_eq!(count("test_good") + count("test_defective"), images.len() as u64);
        assert!(count("regions") > 0 && count("anomalous_pixels") > count("regions"));
        let kinds = category["kinds"].as_object().expect("kinds").values();
        assert_eq!(
            kinds.map(|kind| kind["images"].as_u64().expect("a count")).sum::<u64>(),
            images.len() as u64
        );
        assert!((0.0..=1.0).contains(&number(&category["aupro"])) && category["times"].is_null());
    }
    let [a, b] = ["a", "b"].map(|name| number(&all["categories"][name]["aupro"]));
    assert!((number(&all["mean"]["aupro"]) - (a + b) / 2.0).abs() < 1e-12);
    assert_eq!(all["encoder"]["digest"].as_str().map(str::len), Some(64));

    evaluate(dir.path(), "");
    assert_eq!(bytes, std::fs::read(dir.path().join("out.json")).expect("figures"), "twice the same bytes");
    let low = evaluate(dir.path(), "--threshold-low 0 --report out.html");
    let verdicts = &low["categories"]["a"]["verdicts"];
    let missed = verdicts["misses"].as_u64().zip(verdicts["passes"].as_u64()).map(|(a, b)| a + b);
    assert!(missed > Some(0) && verdicts["uncertain"].as_u64() == missed, "{verdicts}");
    assert_eq!(all["categories"]["a"]["verdicts"]["uncertain"], 0);
    let images = low["categories"]["a"]["images"].as_array().expect("images").iter();
    let uncertain = images.filter(|image| image["verdict"] == "uncertain").count() as u64;
    assert_eq!(Some(uncertain), missed);
    let page = std::fs::read_to_string(dir.path().join("out.html")).expect("a page");
    assert!(page.contains("those from 0 on are uncertain"), "the page tells of uncertain images");
    let binned = evaluate(dir.path(), "--binning adeval:50 --aupro-limit 0.05 --times");
    assert_eq!(
        (&binned["options"]["binning"], &binned["options"]["aupro_limit"]),
        (&"adeval:50".into(), &0.05.into())
    );
    let (exact, binned) = (&all["categories"]["a"], &binned["categories"]["a"]);
    assert_eq!(exact["image_auroc"], binned["image_auroc"]);
    let difference = (number(&exact["pixel_auroc"]) - number(&binned["pixel_auroc"])).abs();
    assert!(difference > 0.0 && difference < 0.05, "{difference}");
    assert!(number(&binned["aupro"]) < number(&exact["aupro"]));
    assert!(number(&binned["times"]["stages_ms"]["encode"]) > 0.0, "{}", binned["times"]);
}

#[test]
fn settings_choose_what_a_category_is_compared_with() {
    let dir = tempfile::tempdir().expect("a folder");
    products(dir.path(), ["a", "b"]);
    let bank = |all: &Value, name: &str| all["categories"][name]["bank"].clone();
    let single = evaluate(dir.path(), "--setting single");
    assert_ne!(bank(&single, "a")["digest"], bank(&single, "b")["digest"]);
    let multi = evaluate(dir.path(), "--setting multi");
    assert_eq!(bank(&multi, "a"), bank(&multi, "b"));
    assert_eq!((&multi["setting"], &bank(&multi, "a")["frames"]), (&"multi".into(), &16.into()));
    let few = evaluate(dir.path(), "--setting few --shots 2 --categories b");
    assert_eq!((&bank(&few, "b")["frames"], &few["options"]["shots"]), (&2.into(), &2.into()));
    assert!(few["categories"]["a"].is_null());
    // One category may be given by itself.
    run(dir.path(), "eval --data set/b --capacity 400 --reduction random --json one.json", 0);
    assert_eq!(read(&dir.path().join("one.json"))["categories"]["b"], single["categories"]["b"]);

    let refused = |line: &str, said: &str| {
        let output = run(dir.path(), &format!("eval --data set --capacity 400 {line}"), 1);
        assert!(stderr(&output).contains(said), "{line}: expected {said}, found {}", stderr(&output));
    };
    std::fs::create_dir(dir.path().join("decoders")).expect("a folder");
    refused("--shots 3", "--shots: expected --setting few, found single");
    refused("--setting cross", "expected --model with a folder of decoders");
    refused("--setting multi --model decoders", "expected --model with one decoder for all categories");
    let decoder = |name: &str| dir.path().join(format!("decoders/{name}.safetensors"));
    write_decoder_of(&decoder("a"), &["b"]);
    write_decoder_of(&decoder("b"), &["a", "b"]);
    refused("--setting cross --model decoders", "expected a decoder trained without b, found one of a, b");
    write_decoder_of(&decoder("b"), &["a"]);
    let cross = evaluate(dir.path(), "--setting cross --model decoders");
    assert_eq!(bank(&cross, "a")["decoder"]["trained_on"], serde_json::json!(["b"]));
    assert_ne!(cross["categories"]["a"]["images"], single["categories"]["a"]["images"]);
}

#[test]
fn copies_among_the_good_images_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    products(dir.path(), ["a", "b"]);
    let good = dir.path().join("set/a/train/good");
    for name in ["x.png", "y.png"] {
        std::fs::copy(good.join("0000.png"), good.join(name)).expect("a copy");
    }
    let line = "eval --data set --capacity 400 --reduction random --json out.json";
    let told = stderr(&run(dir.path(), line, 0));
    assert!(told.contains("learned 10 good images, 2 of them copies"), "{told}");
    let all = read(&dir.path().join("out.json"));
    let copies = |name: &str| all["categories"][name]["bank"]["copies"].clone();
    assert_eq!((copies("a"), copies("b")), (2.into(), 0.into()));
}

#[test]
fn figures_of_before_stay_when_a_run_fails_in_the_middle() {
    let dir = tempfile::tempdir().expect("a folder");
    products(dir.path(), ["a", "b"]);
    evaluate(dir.path(), "--categories a");
    let bytes = std::fs::read(dir.path().join("out.json")).expect("figures");
    // The region is some pixels of the first category's images, and less than one of the second's.
    let line = "simulate --out set/c --as frames --good-frames 3 --frames 2 --width 64 --height 64";
    run(dir.path(), line, 0);
    let line = "eval --data set --categories a,c --roi 0,0,0.01,0.01 --capacity 300 --reduction random --json out.json";
    let told = stderr(&run(dir.path(), line, 1));
    assert!(told.contains("category c: "), "{told}");
    assert_eq!(std::fs::read(dir.path().join("out.json")).expect("figures"), bytes);
}
