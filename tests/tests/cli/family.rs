//! A second family of models, the simplest that there can be (`models/mean`): nothing but its folder and its arm knows it,
//! and the commands learn, detect and evaluate with it. `elements/family.rs` does so with the elements.

use std::path::Path;

use serde_json::Value;
use snarm_core::bank::{Bank, BankBuilder, BankSettings};
use snarm_core::dataset::{Picture, Reading};
use snarm_core::detect::Detector;
use snarm_core::models::scan_order::Curve;
use snarm_core::models::{Decoder, mambaad, mean, pyramid_mamba};
use snarm_core::registry;
use snarm_tests::checkpoint;

use crate::run::{run, stderr, stdout};

/// Writes the mean descriptor of the pictures in a folder.
fn write(folder: &Path, out: &Path) {
    let encoder = registry::encoder(None).expect("it ships");
    let mut builder = BankBuilder::new(encoder.clone(), BankSettings::default()).expect("a builder");
    for entry in folder.read_dir().expect("a folder") {
        let picture = Picture::read(&entry.expect("a file").path(), &Reading::default()).expect("a picture");
        builder.add(&picture.frame().expect("a frame")).expect("learned");
    }
    let bank = builder.finish(&mut |_, _, _| {}).expect("a bank");
    let mut sum = vec![0.0; bank.width()];
    for row in bank.rows().data.chunks_exact(bank.width()) {
        sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += v / bank.vectors() as f32);
    }
    mean::save(out, &encoder, &sum).expect("a decoder");
}

#[test]
fn a_second_family_learns_detects_and_evaluates() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 8 --frames 10 --width 192 --height 144", 0);
    write(&dir.join("set/train/good"), &dir.join("mean.safetensors"));
    run(dir, "bank set/train/good --out part.bank --model mean.safetensors", 0);
    let bank = Bank::open(&dir.join("part.bank")).expect("a bank");
    assert!(bank.memory().is_none() && bank.vectors() == 0, "it needs no descriptors");
    assert_eq!(bank.calibrations().count(), 1);
    let (calibration, doubt) = (bank.calibration(), bank.doubt(bank.calibration()));
    assert!(calibration.scorer.starts_with("mean:") && calibration.frames == 8 && doubt.is_none());
    let copy = dir.join("copy.bank");
    bank.save(&copy).expect("written");
    assert_eq!(Bank::open(&copy).expect("a bank").digest(), bank.digest());

    run(dir, "detect set/test --bank part.bank --model mean.safetensors --out out", 0);
    let lines = std::fs::read_to_string(dir.join("out/results.jsonl")).expect("results");
    let model = format!(":{}\"", calibration.scorer);
    assert!(lines.lines().count() == 10 && lines.lines().all(|line| line.contains(&model)), "{lines}");

    let eval =
        "eval --data set --capacity 300 --model mean.safetensors --json out.json --times --report out.html";
    run(dir, eval, 0);
    let text = std::fs::read_to_string(dir.join("out.json")).expect("figures");
    let figures: Value = serde_json::from_str(&text).expect("JSON");
    let category = &figures["categories"]["set"];
    assert_eq!(category["bank"]["scorer"].as_str(), Some(calibration.scorer.as_str()));
    assert!(category["pixel_auroc"].as_f64().is_some_and(|area| area > 0.5), "{category}");
    let stages = category["times"]["stages_ms"].as_object().expect("stages");
    assert!(stages.contains_key("compare") && !stages.contains_key("navigate"), "{stages:?}");
}

#[test]
fn a_bank_without_descriptors_serves_no_family_that_needs_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 3 --frames 1 --width 96 --height 72", 0);
    let decoder = dir.join("mean.safetensors");
    write(&dir.join("set/train/good"), &decoder);
    run(dir, "bank set/train/good --out part.bank --model mean.safetensors", 0);
    for (line, told) in [
        ("detect set/test --bank part.bank -o out", "expected a bank with descriptors, which head:"),
        ("detect set/test --bank part.bank -o out --model none", "which scoring without a decoder needs"),
        ("bank set/train/good --append --out part.bank", "expected a bank with descriptors, to go on with"),
        ("convert part.bank --out part.pth", "expected a bank with descriptors, found one without"),
    ] {
        let message = stderr(&run(dir, line, 1));
        assert!(message.contains(told), "{line}: {message}");
    }
    let told = stdout(&run(dir, "bank set/train/good --append --out part.bank --model mean.safetensors", 0));
    assert!(told.contains("from 6 frames"), "{told}");

    let encoder = registry::encoder(None).expect("it ships");
    let (bank, decoder) = (Bank::open(&dir.join("part.bank")), Decoder::open(&decoder));
    let (bank, decoder) = (bank.expect("a bank").into(), decoder.expect("a decoder").into());
    assert!(Detector::with_decoder(encoder, bank, Some(decoder)).is_ok());
}

/// Published checkpoints, which hold their own encoder, without a bank and with one.
#[test]
fn decoders_that_reconstruct_need_no_bank() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 6 --frames 4 --width 192 --height 144", 0);
    for (kind, directions, curve) in
        [(&mambaad::KIND, 8, Curve::Hilbert), (&pyramid_mamba::KIND, 4, Curve::Sweep)]
    {
        let path = dir.join("model.safetensors");
        checkpoint::write(&path, kind, &checkpoint::narrow(directions, curve), [1, 1, 1]);
        let told = stderr(&run(dir, "detect set/test --model model.safetensors --out alone", 0));
        assert!(told.contains("threshold of the bank is a guess"), "{told}");
        let lines = std::fs::read_to_string(dir.join("alone/results.jsonl")).expect("results");
        let scored = lines.lines().filter(|line| line.contains(&format!(":{}:", kind.family)));
        assert_eq!(scored.count(), 4, "{lines}");

        run(dir, "bank set/train/good --out part.bank --model model.safetensors", 0);
        let bank = Bank::open(&dir.join("part.bank")).expect("a bank");
        let calibration = bank.calibration();
        assert!(bank.memory().is_none() && calibration.scorer.starts_with(kind.family));
        assert_eq!((calibration.frames, bank.doubt(calibration)), (6, None));
        run(dir, "detect set/test --bank part.bank --model model.safetensors --out out", 0);
        let calibrated = std::fs::read_to_string(dir.join("out/results.jsonl")).expect("results");
        assert_ne!(calibrated, lines, "the bank brings the scale");

        run(dir, "eval --data set --model model.safetensors --json out.json --times", 0);
        let text = std::fs::read_to_string(dir.join("out.json")).expect("figures");
        let figures: Value = serde_json::from_str(&text).expect("JSON");
        let stages = figures["categories"]["set"]["times"]["stages_ms"].as_object().expect("stages");
        assert!(
            ["fuse", "reconstruct", "compare"].iter().all(|stage| stages.contains_key(*stage)),
            "{stages:?}"
        );
        let told =
            stdout(&run(dir, "bench --frames 1 --good-frames 2 --size 96x72 --model model.safetensors", 0));
        assert!(told.contains("reconstruct") && told.contains(kind.family), "{told}");
    }
    for (line, told) in [
        ("detect set/test --out no", "--bank: expected a bank, or --model with a decoder that needs none"),
        ("detect set/test --out no --model none", "expected a bank, without which nothing is scored"),
        (
            "detect set/test --out no --model model.safetensors --encoder snarm-tiny",
            "encoder of the decoder: expected the weights",
        ),
        (
            "bank set/train/good --out long.bank --model model.safetensors --roi 0,0,1,0.2",
            "three levels of features of a square input",
        ),
    ] {
        let message = stderr(&run(dir, line, 1));
        assert!(message.contains(told), "{line}: {message}");
    }
}

/// Trained on what a narrow ResNet of formula weights sees.
#[test]
fn a_family_that_reconstructs_is_trained_and_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out data/set --as frames --good-frames 6 --frames 3 --width 96 --height 72", 0);
    let network = dir.join("network.safetensors");
    checkpoint::write(&network, &mambaad::KIND, &checkpoint::narrow(8, Curve::Hilbert), [1, 1, 1]);
    let train = "train --family pyramid-mamba --data data --encoder network.safetensors --batch 2 --out own.safetensors";
    let told = stdout(&run(dir, &format!("{train} --steps 1"), 0));
    assert!(told.contains("own.safetensors: 1 steps"), "{told}");
    let told = stdout(&run(dir, &format!("{train} --steps 1 --resume"), 0));
    assert!(told.contains("own.safetensors: 1 steps"), "{told}");
    let log = std::fs::read_to_string(dir.join("own.csv")).expect("a log");
    let losses: Vec<&str> = log.lines().collect();
    assert!(
        losses.len() == 2 && losses[0].starts_with("step,loss,held_out") && losses[1].starts_with("0,"),
        "{log}"
    );
    let decoder = Decoder::open(&dir.join("own.safetensors")).expect("a decoder");
    assert_eq!((decoder.family(), decoder.encoder()), ("pyramid-mamba", Some("network.safetensors")));
    assert!(decoder.calibration().is_some_and(|calibration| calibration.frames == 1));
    run(dir, "detect data/set/test --model own.safetensors --out out", 0);
    for (line, told) in [
        (format!("{train} --steps 1"), "expected none of an earlier run"),
        (format!("{train} --steps 2 --resume"), "settings.steps"),
        (
            train.replace("own", "other").replace("network.safetensors", "snarm-tiny"),
            "an encoder with three levels",
        ),
        (train.replace("own", "other") + " --test", "expected `snarm eval --model` after the training"),
    ] {
        let message = stderr(&run(dir, &line, 1));
        assert!(message.contains(told), "{line}: {message}");
    }
}
