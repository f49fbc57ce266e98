//! Every launch recipe, run without a screen or a camera by the real tools with the plugin of this build.

#![expect(clippy::expect_used, clippy::print_stderr, reason = "helpers of tests fail and speak as tests do")]

#[path = "cli/run.rs"]
mod run;

use std::path::Path;

use run::{no_gstreamer, snarm, stderr, stdout};

/// Moving picture as a stand-in for a camera.
const CAMERA: &str = "source=videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format=I420,width=128,height=96,framerate=25/1";

fn launch(dir: &Path, name: &str, variables: &[&str]) {
    let mut command = snarm();
    command.current_dir(dir).env("GST_REGISTRY", dir.join("registry.bin"));
    let output = command.args(["launch", name]).args(variables).output().expect("snarm starts");
    assert!(output.status.success(), "launch {name} {variables:?}\n{}{}", stdout(&output), stderr(&output));
}

/// A folder with a bank in it, or none where the tools are missing.
fn learned() -> Option<tempfile::TempDir> {
    if no_gstreamer() {
        return None;
    }
    let dir = tempfile::tempdir().expect("a folder");
    launch(dir.path(), "learn", &[CAMERA, "bank=part.bank", "capacity=500"]);
    assert!(dir.path().join("part.bank").is_file());
    Some(dir)
}

fn results(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn learn_writes_a_bank_that_the_command_reads() {
    let Some(dir) = learned() else { return };
    let frame = image::RgbImage::from_fn(128, 96, |x, y| image::Rgb([x as u8, y as u8, 9]));
    frame.save(dir.path().join("other.png")).expect("a picture");
    run::run(dir.path(), "detect other.png --bank part.bank --out out", 0);
}

#[test]
fn inspect_shows_frames() {
    let Some(dir) = learned() else { return };
    launch(dir.path(), "inspect", &[CAMERA, "bank=part.bank", "sink=fakesink"]);
}

#[test]
fn record_annotated_leaves_a_recording_and_a_line_a_frame() {
    let Some(dir) = learned() else { return };
    let variables = [CAMERA, "bank=part.bank", "video=my run.mkv", "results=run.jsonl", "encoder=jpegenc"];
    launch(dir.path(), "record-annotated", &variables);
    assert!(dir.path().join("my run.mkv").is_file());
    let lines = results(&dir.path().join("run.jsonl"));
    assert_eq!(lines.len(), 12);
    let numbers: Vec<_> = lines.iter().filter_map(|line| line["frame-number"].as_u64()).collect();
    assert_eq!(numbers, (0..12).collect::<Vec<u64>>());
}

#[test]
fn gray8_camera_judges_one_plane_of_luma() {
    let Some(dir) = learned() else { return };
    launch(dir.path(), "gray8-camera", &[CAMERA, "bank=part.bank", "results=gray.jsonl", "framerate=25/1"]);
    assert_eq!(results(&dir.path().join("gray.jsonl")).len(), 12);
}

#[test]
fn every_recipe_in_the_folder_is_run_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/launch");
    let source = include_str!("recipes.rs");
    for entry in std::fs::read_dir(folder).expect("recipes") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|s| s.to_str()).expect("a name");
        assert!(
            source.contains(&format!("\"{name}\", &["))
                || source.contains(&format!("\"{name}\", &variables")),
            "{name}"
        );
    }
}
