//! The `snarm` command from outside: what it writes, what it says, how it ends. Pipelines of elements are tested in
//! `recipes.rs`.

#![expect(clippy::expect_used, reason = "helpers of tests fail and speak as tests do")]

#[path = "oracle/checkpoint.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod checkpoint;
#[path = "cli/clips.rs"]
mod clips;
#[path = "cli/convert.rs"]
mod convert;
#[path = "cli/cuda.rs"]
mod cuda;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/errors.rs"]
mod errors;
#[path = "cli/eval.rs"]
mod eval;
#[path = "cli/family.rs"]
mod family;
#[path = "cli/fetch.rs"]
mod fetch;
#[path = "cli/files.rs"]
mod files;
#[path = "cli/images.rs"]
mod images;
#[path = "cli/model.rs"]
mod model;
#[path = "cli/page.rs"]
mod page;
#[path = "cli/pictures.rs"]
mod pictures;
#[path = "cli/precision.rs"]
mod precision;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/simulate.rs"]
mod simulate;
#[path = "cli/torch_files.rs"]
mod torch_files;
#[path = "cli/train.rs"]
mod train;

use run::{run, stdout};

#[test]
fn every_command_explains_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let all = stdout(&run(dir.path(), "--help", 0));
    for command in [
        "bank", "detect", "eval", "train", "distill", "simulate", "fetch", "launch", "limits", "worst",
        "bench", "convert", "doctor", "station", "hub",
    ] {
        assert!(all.contains(command), "{all}");
        let help = stdout(&run(dir.path(), &format!("{command} --help"), 0));
        assert!(help.contains("Usage: snarm"), "{help}");
    }
}

#[test]
fn doctor_names_the_encoder_and_where_its_weights_come_from() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = run::snarm().arg("doctor").current_dir(dir.path()).output().expect("snarm starts");
    // Without GStreamer or the plugin the code is 1; either way everything that was found is told.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let text = stdout(&output);
    for word in ["processor", "GStreamer", "encoder", "snarm-tiny"] {
        assert!(text.contains(word), "expected {word} in:\n{text}");
    }
}

#[test]
fn bench_prints_every_stage() {
    let dir = tempfile::tempdir().expect("a folder");
    let line = "bench --frames 2 --good-frames 3 --size 192x128 --capacity 300 --reduction random --json";
    let told = stdout(&run(dir.path(), line, 0));
    let figures: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for name in ["preprocess", "encode", "inter-match", "postprocess", "whole frame"] {
        let stage = figures.iter().find(|stage| stage["name"] == name);
        assert!(
            stage.and_then(|stage| stage["median_ms"].as_f64()).is_some_and(|ms| ms >= 0.0),
            "{name} in {told}"
        );
    }
}

#[test]
fn recipes_are_listed_and_printed_for_a_shell() {
    let dir = tempfile::tempdir().expect("a folder");
    let list = stdout(&run(dir.path(), "launch", 0));
    for name in ["learn", "inspect", "record-annotated", "gray8-camera"] {
        assert!(list.contains(name), "{list}");
    }
    let line = stdout(&run(dir.path(), "launch learn source=videotestsrc bank=a.bank --print", 0));
    assert!(
        line.starts_with("gst-launch-1.0 -e videotestsrc ! videoconvert ! snarmbank location=a.bank "),
        "{line}"
    );
}
