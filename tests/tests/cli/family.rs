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

/// Trained on levels of features of a narrow EfficientNet-Lite of formula weights, which the file names.
#[test]
fn a_family_that_reconstructs_is_trained_on_levels_of_an_efficientnet() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out data/set --as frames --good-frames 6 --frames 3 --width 96 --height 72", 0);
    let train = "train --family mambaad --data data --encoder seeded:lite@levels8 --batch 2 --steps 1 --out own.safetensors";
    run(dir, train, 0);
    let decoder = Decoder::open(&dir.join("own.safetensors")).expect("a decoder");
    assert_eq!(decoder.encoder(), Some("seeded:lite@levels8"));
    run(dir, "detect data/set/test --model own.safetensors --out out", 0);
    assert_eq!(scores(dir, "out").len(), 3);
    // Any grid will do.
    run(dir, "detect data/set/test --model own.safetensors --encoder seeded:lite@levels16 --out fine", 0);
    let other = "detect data/set/test --model own.safetensors --encoder seeded:lite --out no";
    let message = stderr(&run(dir, other, 1));
    assert!(message.contains("levels [12, 16, 32] wide, found"), "{message}");
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

/// The scores that `detect` wrote.
fn scores(dir: &Path, out: &str) -> Vec<f64> {
    let lines = std::fs::read_to_string(dir.join(out).join("results.jsonl")).expect("results");
    let score = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["score"].as_f64();
    lines.lines().map(|line| score(line).expect("a score")).collect()
}

/// Both spellings, both formats; with the network inside and with one that is named.
#[test]
fn published_checkpoints_become_files_of_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 2 --frames 3 --width 192 --height 144", 0);
    for (kind, directions, curve) in
        [(&mambaad::KIND, 8, Curve::Hilbert), (&pyramid_mamba::KIND, 4, Curve::Sweep)]
    {
        let entries = checkpoint::entries(kind, &checkpoint::narrow(directions, curve), [1, 1, 1]);
        checkpoint::save(&dir.join("published.safetensors"), &entries);
        checkpoint::save_torch(&dir.join("published.pth"), &checkpoint::respelled(&entries));
        let published = Decoder::open(&dir.join("published.safetensors")).expect("a decoder");
        run(dir, "detect set/test --model published.safetensors --out published", 0);
        let (expected, summary) = (scores(dir, "published"), published.summary());
        assert!(expected.len() == 3 && expected[0] != expected[1], "{expected:?}");
        for name in ["published.safetensors", "published.pth"] {
            let told = stdout(&run(dir, &format!("convert {name} --out own.safetensors --licence none"), 0));
            assert!(
                told.contains(&format!("a decoder of the family {}, ", kind.family))
                    && told.contains("with its encoder"),
                "{told}"
            );
            let own = Decoder::open(&dir.join("own.safetensors")).expect("a decoder");
            assert_eq!((own.scorer(), own.summary()), (published.scorer(), summary.clone()));
            let data = own.provenance().map(|provenance| provenance.data.clone());
            assert_eq!(data, Some(format!("converted from {name}")));
            run(dir, "detect set/test --model own.safetensors --out own", 0);
            assert_eq!(scores(dir, "own"), expected, "{name}");
        }
        // Without its encoder, which is named.
        let inside = entries
            .iter()
            .filter_map(|(name, array)| Some((name.strip_prefix("net_t.")?.to_owned(), array.clone())));
        let inside: Vec<_> = inside.collect();
        checkpoint::save(&dir.join("network.safetensors"), &inside);
        let line = "convert published.pth --out own.safetensors --encoder network.safetensors";
        let told = stdout(&run(dir, line, 0));
        assert!(told.contains("for the encoder network.safetensors"), "{told}");
        let own = Decoder::open(&dir.join("own.safetensors")).expect("a decoder");
        assert_eq!((own.scorer(), own.encoder()), (published.scorer(), Some("network.safetensors")));
        run(dir, "detect set/test --model own.safetensors --out own", 0);
        assert_eq!(scores(dir, "own"), expected);

        let told = stdout(&run(dir, "doctor published.pth own.safetensors", 0));
        for words in [
            &format!("decoder of the family {}: {summary}", kind.family),
            "holds its encoder",
            "made for the encoder network.safetensors (",
            "detects without a bank",
            "fits the encoder network.safetensors",
        ] {
            assert!(told.contains(words), "expected '{words}' in:\n{told}");
        }
    }
}

#[test]
fn checkpoints_that_contradict_themselves_are_not_converted() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let shape = checkpoint::narrow(8, Curve::Hilbert);
    let whole = checkpoint::respelled(&checkpoint::entries(&mambaad::KIND, &shape, [1, 1, 1]));
    let position =
        |ending: &str| whole.iter().position(|(name, _)| name.ends_with(ending)).expect("a tensor");
    let mut changed = whole.clone();
    changed[position("index_flat_inv")].1.data[..16].rotate_left(8);
    checkpoint::save_torch(&dir.join("tables.pth"), &changed);
    let mut changed = whole.clone();
    changed.retain(|(name, _)| !name.starts_with("net_t."));
    checkpoint::save_torch(&dir.join("alone.pth"), &changed);
    let mut changed = whole.clone();
    changed.remove(position("blocks.0.conv1b3.0.bias"));
    checkpoint::save_torch(&dir.join("without.pth"), &changed);
    checkpoint::save_torch(&dir.join("whole.pth"), &whole);
    checkpoint::write(&dir.join("other.safetensors"), &mambaad::KIND, &shape, [1, 2, 1]);
    run(dir, "convert whole.pth --out own.safetensors", 0);
    for (line, told) in [
        ("tables.pth", "index_flat_inv that undoes"),
        ("alone.pth", "a checkpoint with the network whose features it reconstructs (net_t.*), found none"),
        ("without.pth", "expected a tensor net_s.layers_up.0.blocks.0.conv1b7.0.bias"),
        (
            "own.safetensors",
            "expected a published checkpoint, the only kind of this family that is converted",
        ),
        (
            "whole.pth --encoder other.safetensors",
            "expected the network in the checkpoint (net_t.*), found other",
        ),
        (
            "whole.pth --encoder snarm-tiny",
            "expected the network in the checkpoint (net_t.*), found snarm-tiny",
        ),
    ] {
        let message = stderr(&run(dir, &format!("convert {line} --out no.safetensors"), 1));
        assert!(message.contains(told) && !dir.join("no.safetensors").exists(), "{line}: {message}");
    }
    // The doctor says why, and does not take it for an encoder.
    let told = stdout(&run(dir, "doctor tables.pth", 1));
    assert!(told.contains("index_flat_inv that undoes"), "{told}");
}
