//! The sample applications of `pipelines/apps`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use snarm_tests::skip::skip;

use crate::common::{CAMERA, app, learned, printed, program, python, results};
use crate::run::{stderr, target};

/// A pipeline with something to find in every frame, for an application that reads the meta.
fn pipeline() -> String {
    let source = CAMERA.trim_start_matches("source=").replace("num-buffers=12", "num-buffers=3");
    format!(
        "{source} ! snarmdetect bank-location=part.bank threshold=0 pixel-threshold=0 \
         ! videoconvert ! video/x-raw,format=NV12 ! appsink name=sink sync=false"
    )
}

/// What a reader printed, one value a frame.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The same value with every number as a float: C writes 0 where Python writes 0.0.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(values) => values.iter().map(floats).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), floats(value))).collect(),
        other => other.clone(),
    }
}

/// Checks that a program reads what the sample in Python does.
fn check_as_python(dir: &Path, mut command: Command) {
    command.arg(pipeline());
    let found: Vec<_> = lines(&printed(command).expect("nothing is missing")).iter().map(floats).collect();
    assert_eq!(found.len(), 3);
    let Some(expected) = read_by_python(dir) else { return };
    assert_eq!(found, expected.iter().map(floats).collect::<Vec<_>>());
}

/// What the sample in Python reads; none where its bindings are missing.
fn read_by_python(dir: &Path) -> Option<Vec<Value>> {
    let mut command = python(dir, &app("read_meta.py"));
    command.arg(pipeline());
    printed(command).map(|text| lines(&text))
}

#[test]
fn python_reads_score_regions_and_map() {
    let Some(dir) = learned() else { return };
    let Some(lines) = read_by_python(dir.path()) else { return };
    assert_eq!(lines.len(), 3);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(line["frame-number"], n);
        assert_eq!(line["verdict"], "anomalous");
        assert!((0.0..=1.0).contains(&line["score"].as_f64().expect("a score")));
        let region = &line["regions"][0];
        assert!(region["w"].as_f64().expect("a width") > 0.0);
        assert!(line["map"]["width"].as_u64().expect("a width") > 0);
        assert_eq!(line["map"]["width"], line["map"]["height"]);
        // The first region is the one with the highest score, which is the peak of the map.
        let (peak, highest) = (line["map"]["peak"].as_f64(), region["score"].as_f64());
        let difference = peak.expect("a peak") / 255.0 - highest.expect("a score");
        assert!(difference.abs() < 0.01, "the map's peak is {peak:?}, the region says {highest:?}");
    }
}

#[test]
fn c_reads_what_python_reads() {
    let Some(dir) = learned() else { return };
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gstreamer-app-1.0", "gstreamer-video-1.0"])
        .output()
        .expect("pkg-config, which the plugin was built with");
    if !flags.status.success() {
        return skip("development-files", stderr(&flags));
    }
    let compiled = program(dir.path(), "gcc")
        .args(["-Wall", "-Wextra", "-Werror", "-o", "read_meta"])
        .arg(app("read_meta.c"))
        .args(String::from_utf8_lossy(&flags.stdout).split_whitespace())
        .output()
        .expect("gcc starts");
    assert!(compiled.status.success(), "{}", stderr(&compiled));
    check_as_python(dir.path(), program(dir.path(), "./read_meta"));
}

#[test]
fn rust_reads_what_python_reads() {
    let Some(dir) = learned() else { return };
    let sample = target().join("examples/read_meta");
    let how = "cargo build -p snarm-tests --example read_meta";
    assert!(sample.is_file(), "expected {}; build it first: {how}", sample.display());
    check_as_python(dir.path(), program(dir.path(), sample));
}

#[test]
fn opencv_reads_annotated_frames_and_their_results() {
    let Some(dir) = learned() else { return };
    let source = CAMERA.trim_start_matches("source=");
    let mut command = python(dir.path(), &app("opencv_capture.py"));
    command.args(["part.bank", "run.jsonl", source]);
    let Some(text) = printed(command) else { return };
    let expected: Vec<String> = results(&dir.path().join("run.jsonl"))
        .iter()
        .map(|line| {
            let (verdict, score) = (line["verdict"].as_str(), line["score"].as_f64());
            let (verdict, score) = (verdict.expect("a verdict"), score.expect("a score"));
            format!("{} 128x96 {verdict} {score:.3}", line["frame-number"])
        })
        .collect();
    assert_eq!(expected.len(), 12);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}
