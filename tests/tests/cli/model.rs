//! `--model`: a trained decoder for every command that scores.

use std::path::Path;

use serde_json::{Value, json};
use snarm_core::models::snarm::decoder::{self, About, Provenance, Shape};
use snarm_core::registry;

use crate::run::{run, stderr, stdout};

/// Writes a decoder with weights from a formula, for the encoder that ships.
fn write_decoder(path: &Path) {
    write_decoder_of(path, &[]);
}

/// The same, said to be trained on these categories.
pub(crate) fn write_decoder_of(path: &Path, categories: &[&str]) {
    let encoder = registry::encoder(Some("snarm-tiny")).expect("the encoder");
    let about = About {
        encoder: encoder.name().to_owned(),
        encoder_digest: encoder.digest().to_owned(),
        side: encoder.input_side(),
        grid: encoder.grid_side(),
        shape: Shape { width: encoder.geometry().width(), channels: 16, branches: 1 },
        relative: false,
        provenance: Provenance {
            categories: categories.iter().map(|name| (*name).to_owned()).collect(),
            ..Provenance::default()
        },
        licence: "MIT OR Apache-2.0".to_owned(),
        calibration: None,
    };
    let fetch = |name: &str, shape: &[usize]| Ok(decoder::seeded_tensor(name, shape));
    decoder::save(path, &about, &fetch, None).expect("a decoder");
}

fn raw_score(results: &Path) -> f64 {
    let text = std::fs::read_to_string(results).expect("results");
    let line: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    line["score-raw"].as_f64().expect("a score")
}

#[test]
fn bank_and_detect_use_the_decoder() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out flange --as frames --good-frames 6 --frames 2 --width 192 --height 128", 0);
    write_decoder(&at.join("flange.safetensors"));
    run(at, "bank flange/train/good --out a.bank --capacity 300 --model flange.safetensors", 0);
    let bank = snarm_core::bank::Bank::open(&at.join("a.bank")).expect("a bank");
    assert_eq!(bank.calibrations().count(), 2);
    run(at, "detect flange/test --bank a.bank --out with --pictures none --model flange.safetensors", 0);
    run(at, "detect flange/test --bank a.bank --out without --pictures none --model none", 0);
    let [with, without] = ["with", "without"].map(|out| raw_score(&at.join(out).join("results.jsonl")));
    assert!((0.0..1.0).contains(&with) && with != without, "{with} {without}");

    let refused = run(at, "detect flange/test --bank a.bank --out x --model nowhere.safetensors", 1);
    assert!(stderr(&refused).contains("weights not found: nowhere.safetensors"), "{}", stderr(&refused));
}

#[test]
fn eval_takes_a_decoder_for_each_category() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out set/flange --as frames --good-frames 6 --frames 8 --width 192 --height 128", 0);
    std::fs::create_dir(at.join("decoders")).expect("a folder");
    let line = "eval --data set --capacity 300 --model decoders --json out.json";
    let refused = run(at, line, 1);
    assert!(stderr(&refused).contains("decoders/flange.safetensors"), "{}", stderr(&refused));
    write_decoder(&at.join("decoders/flange.safetensors"));
    run(at, line, 0);
    let with = std::fs::read(at.join("out.json")).expect("figures");
    run(at, "eval --data set --capacity 300 --json out.json", 0);
    assert_ne!(with, std::fs::read(at.join("out.json")).expect("figures"));
}

#[test]
fn bench_tells_where_the_time_of_the_decoder_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    write_decoder(&dir.path().join("d.safetensors"));
    let line = "bench --frames 2 --good-frames 3 --size 192x128 --capacity 300 --json --model d.safetensors";
    let told = stdout(&run(dir.path(), line, 0));
    let figures: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |name: &str, figure: &str| {
        let stage = figures.iter().find(|stage| stage["name"] == name);
        stage.and_then(|stage| stage[figure].as_f64()).unwrap_or(f64::NAN)
    };
    let parts = ["embed", "convolve", "mix", "dilate", "average"]
        .map(|part| of(&format!("decode: {part}"), "min_ms"));
    assert!(parts.iter().all(|ms| *ms > 0.0), "{told}");
    assert!(parts.iter().sum::<f64>() <= of("decode", "max_ms"), "{told}");
    assert!(of("whole frame", "min_ms") <= of("whole frame", "median_ms"), "{told}");
    for stage in &figures {
        assert!(stage["what"].as_str().expect("what").contains("head:"), "{told}");
        assert_eq!([&stage["precision"], &stage["device"]], [&json!("f32"), &json!("cpu")]);
        assert!(stage["threads"].as_u64().expect("threads") > 0, "{told}");
        assert!(["portable", "avx2", "avx512"].contains(&stage["isa"].as_str().expect("a level")), "{told}");
    }
}
