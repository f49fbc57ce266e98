//! Recipes for industrial cameras, with Aravis' fake GenICam camera, and for several cameras.

use std::path::Path;

use crate::common::{CAMERA, client, launch, learned, printed, python, results};
use crate::run::{no_gstreamer, stderr, stdout};

/// Runs a recipe with the fake camera and returns the caps that the camera gave; none where Aravis is missing.
fn launch_with_camera(dir: &Path, name: &str, variables: &[&str]) -> Option<String> {
    let line = stdout(&launch(dir, name, &[variables, &["--print"]].concat()));
    let mut command = python(dir, &client("fake_camera.py"));
    command.arg(line.trim());
    printed(command)
}

/// Learns and inspects with a recipe of one camera, and checks what format the camera sent.
fn check_camera(recipe: &str, learn: &str, source: &str, format: &str) {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let variables = [learn, "bank=part.bank", "capacity=500"];
    if launch_with_camera(dir.path(), "learn", &variables).is_none() {
        return;
    }
    let variables = [source, "bank=part.bank", "results=run.jsonl"];
    let caps = launch_with_camera(dir.path(), recipe, &variables).expect("Aravis is there");
    assert!(caps.contains(format), "the camera sends {caps}");
    let lines = results(&dir.path().join("run.jsonl"));
    assert!(lines.len() >= 10, "{} lines", lines.len());
    assert_eq!(lines[0]["resolution"]["width"], 512);
    // The same pattern moves on: no frame is far from what was learned.
    assert!(lines.iter().all(|line| line["score"].as_f64().expect("a score") < 0.9), "{lines:?}");
}

#[test]
fn bayer_camera_judges_the_colours_of_a_mosaic() {
    let source = "source=aravissrc camera-name=Fake_1 num-buffers=12 ! video/x-bayer,framerate=25/1";
    check_camera("bayer-camera", &format!("{source} ! bayer2rgb"), source, "video/x-bayer");
}

#[test]
fn gray8_camera_takes_a_mono8_camera_as_it_is() {
    let source =
        "source=aravissrc camera-name=Fake_1 num-buffers=12 ! video/x-raw,format=GRAY8,framerate=30/1";
    check_camera("gray8-camera", source, source, "GRAY8");
}

#[test]
fn two_cameras_share_one_network_and_one_bank() {
    let Some(dir) = learned() else { return };
    let first = CAMERA.replace("source=", "first=");
    let second = CAMERA.replace("source=", "second=").replace("pattern=ball", "pattern=smpte");
    let variables = [
        "launch",
        "two-cameras",
        &first,
        &second,
        "first-bank=part.bank",
        "second-bank=part.bank",
        "first-results=first.jsonl",
        "second-results=second.jsonl",
        "queue=queue",
    ];
    let mut command = crate::common::program(dir.path(), crate::run::snarm().get_program());
    command.args(variables).env("GST_DEBUG", "snarm-model:INFO").env("GST_DEBUG_NO_COLOR", "1");
    let output = command.output().expect("snarm starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("encoder loaded").count(), 1, "{}", stderr(&output));
    for camera in ["first", "second"] {
        let lines = results(&dir.path().join(format!("{camera}.jsonl")));
        assert_eq!(lines.len(), 12, "{camera}");
        assert!(lines.iter().all(|line| line["source-id"] == camera), "{camera}");
    }
    let scores = |camera: &str| {
        let lines = results(&dir.path().join(format!("{camera}.jsonl")));
        lines.iter().map(|line| line["score"].as_f64().expect("a score")).fold(0.0, f64::max)
    };
    assert!(scores("second") > scores("first"), "colour bars are nearer to a ball than a ball is");
}
