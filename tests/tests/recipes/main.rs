//! Every launch recipe and every sample application, run without a screen or a camera by the real tools with the
//! plugin of this build.

#![expect(clippy::expect_used, reason = "helpers of tests fail and speak as tests do")]

#[path = "../cli/run.rs"]
mod run;

mod apps;
mod cameras;
mod common;
mod container;
mod documents;
mod events;
mod recording;
mod service;
mod sharing;

use common::{CAMERA, launch, learned, results};

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
fn gray8_camera_judges_one_plane_of_luma() {
    let Some(dir) = learned() else { return };
    launch(dir.path(), "gray8-camera", &[CAMERA, "bank=part.bank", "results=gray.jsonl", "framerate=25/1"]);
    assert_eq!(results(&dir.path().join("gray.jsonl")).len(), 12);
}
