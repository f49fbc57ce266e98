//! Published networks by name: fetched, or not yet. The downloads themselves are tested beside their code.

use std::path::Path;
use std::process::Output;

use crate::checkpoint::{Checkpoint, Sizes};
use crate::run::{snarm, stderr, stdout};

/// Runs `snarm` with a cache of its own.
fn run(dir: &Path, line: &str, code: i32) -> Output {
    let mut command = snarm();
    command.env("XDG_CACHE_HOME", dir.join("cache")).env_remove("HF_ENDPOINT").current_dir(dir);
    let output = command.args(line.split_whitespace()).output().expect("snarm starts");
    assert_eq!(output.status.code(), Some(code), "snarm {line}\n{}{}", stdout(&output), stderr(&output));
    output
}

#[test]
fn what_can_be_fetched_is_listed_and_unknown_names_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let list = stdout(&run(dir.path(), "fetch --list", 0));
    for name in ["dinov2-reg-small", "dinov2-reg-base", "dinov2-reg-large", "vit-tiny", "efficientnet-lite2"]
    {
        let line = list.lines().find(|line| line.starts_with(name)).expect(name);
        assert!(line.contains("Apache-2.0") && line.ends_with("no"), "{line}");
    }
    let message = stderr(&run(dir.path(), "fetch dinov2", 1));
    assert!(
        message.contains("expected one of dinov2-reg-small") && message.contains("'dinov2'"),
        "{message}"
    );
    run(dir.path(), "fetch", 2);
    let message = stderr(&run(dir.path(), "fetch dinov2-reg-small --endpoint hub", 1));
    assert!(message.contains("--endpoint: expected an address with https:// or http://"), "{message}");
}

#[test]
fn an_encoder_is_known_by_its_name_once_it_is_fetched() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let images = "simulate --out set --as frames --good-frames 3 --frames 1 --width 96 --height 72";
    run(dir, images, 0);
    let bank = "bank set/train/good -o a.bank --capacity 100 --reduction random --encoder dinov2-reg-small";
    let message = stderr(&run(dir, bank, 1));
    assert!(message.contains("`snarm fetch dinov2-reg-small` downloads it"), "{message}");

    let folder = dir.join("cache/snarm/encoders/dinov2-reg-small");
    std::fs::create_dir_all(&folder).expect("a folder");
    let sizes = Sizes { dim: 64, depth: 2, patch: 28, registers: 4, table: 14, layer_scale: true };
    let weights = Checkpoint::torch_hub(&sizes).hugging_face("").safetensors().expect("weights");
    std::fs::write(folder.join("model.safetensors"), weights).expect("a file");
    let list = stdout(&run(dir, "fetch --list", 0));
    assert!(list.lines().any(|line| line.starts_with("dinov2-reg-small") && line.ends_with("yes")), "{list}");
    run(dir, bank, 0);
    // The bank names its encoder, so that nobody has to.
    run(dir, "detect set/test --bank a.bank --out out", 0);
}

#[test]
fn a_pair_of_encoders_is_one_encoder_to_every_command() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 3 --frames 2 --width 96 --height 72", 0);
    let pair = "seeded:tiny+seeded:lite@20";
    run(dir, &format!("bank set/train/good -o a.bank --capacity 300 --encoder {pair}"), 0);
    // The bank names both.
    let bank = std::fs::read(dir.join("a.bank")).expect("a bank");
    assert!(bank.windows(pair.len()).any(|bytes| bytes == pair.as_bytes()));
    run(dir, "detect set/test --bank a.bank --out out", 0);
    let refused = stderr(&run(dir, "detect set/test --bank a.bank --out out --encoder seeded:tiny@20", 1));
    assert!(refused.contains("encoder of the bank: expected the weights"), "{refused}");
    let missing = stderr(&run(dir, "bank set/train/good -o b.bank --encoder seeded:tiny+vit-tiny", 1));
    assert!(missing.contains("`snarm fetch vit-tiny` downloads it"), "{missing}");
    let doctor = stdout(&snarm().args(["doctor", "--encoder", pair]).output().expect("snarm starts"));
    assert!(doctor.contains(&format!("{pair} (")), "{doctor}");
}
