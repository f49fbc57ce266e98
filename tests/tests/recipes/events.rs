//! What is saved of a defect: its frames alone, or a clip with the time before it.

use std::ops::Range;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::common::{app, frames, launch, pictures, printed, python, results};
use crate::run::no_gstreamer;

/// Frames of the line, and those of them with a defect.
const FRAMES: u64 = 64;
const BAD: Range<u64> = 40..46;

/// Nanoseconds of a frame.
const FRAME: u64 = 40_000_000;

/// The line: a bar that moves on by a step a frame, so that a picture tells its number, and in bad frames a checkered
/// patch beside its way.
fn picture(n: u64) -> RgbImage {
    let bar = (n * 2) as u32;
    RgbImage::from_fn(128, 96, |x, y| {
        let patch = BAD.contains(&n) && (40..88).contains(&x) && (8..56).contains(&y);
        match (x, y) {
            _ if patch && (x / 6 + y / 6) % 2 == 0 => Rgb([230, 30, 30]),
            _ if patch => Rgb([10, 10, 40]),
            (_, 60..) if (bar..bar + 4).contains(&x) => Rgb([250, 250, 250]),
            _ => Rgb([90, 100, 80 + y as u8 / 2]),
        }
    })
}

/// A folder with the frames, and a bank of those before the defect; none where the tools are missing.
fn line() -> Option<(tempfile::TempDir, String)> {
    if no_gstreamer() {
        return None;
    }
    let dir = tempfile::tempdir().expect("a folder");
    for n in 0..FRAMES {
        picture(n).save(dir.path().join(format!("in{n:03}.png"))).expect("a picture");
    }
    // The bar in every place, without the patch.
    for n in 0..FRAMES {
        let frame = if BAD.contains(&n) { picture(n - 10) } else { picture(n) };
        frame.save(dir.path().join(format!("good{n:03}.png"))).expect("a picture");
    }
    let source =
        |name| format!("multifilesrc location={name}%03d.png caps=image/png,framerate=25/1 ! pngdec");
    let good = format!("source={}", source("good"));
    launch(dir.path(), "learn", &[&good, "bank=part.bank", "capacity=2000"]);
    Some((dir, source("in")))
}

/// The number of a frame by its bar.
fn number(frame: &RgbImage) -> u64 {
    let white = (0..128).filter(|&x| frame.get_pixel(x, 90).0.iter().all(|&c| c > 180));
    u64::from(white.min().expect("a bar")) / 2
}

#[test]
fn save_bad_frames_saves_those_and_a_line_for_all() {
    let Some((dir, source)) = line() else { return };
    let variables = [
        &format!("source={source}"),
        "bank=part.bank",
        "pictures=bad/%05d.png",
        "results=run.jsonl",
        "encoder=pngenc",
    ];
    std::fs::create_dir(dir.path().join("bad")).expect("a folder");
    launch(dir.path(), "save-bad-frames", &variables);
    let saved: Vec<u64> = pictures(&dir.path().join("bad")).iter().map(number).collect();
    assert_eq!(saved, BAD.collect::<Vec<_>>());
    let lines = results(&dir.path().join("run.jsonl"));
    assert_eq!(lines.len() as u64, FRAMES);
    let anomalous = lines.iter().filter(|line| line["anomalous"] == true);
    assert_eq!(anomalous.filter_map(|line| line["frame-number"].as_u64()).collect::<Vec<_>>(), saved);
}

/// Runs the application and returns the summary of its only clip and the numbers of the frames in it.
fn clip(dir: &Path, source: &str, out: &str, options: &[&str]) -> Option<(Value, Vec<u64>)> {
    let mut command = python(dir, &app("event_clips.py"));
    command.args(["part.bank", "--source", source, "--out", out, "--before", "0.4", "--after", "0.2"]);
    command.args(options);
    let said = printed(command)?;
    assert_eq!(said.trim(), format!("{out}/clip-0000.mkv"));
    let summary = std::fs::read_to_string(dir.join(out).join("clip-0000.json")).expect("a summary");
    let numbers = frames(dir, said.trim()).iter().map(number).collect();
    Some((serde_json::from_str(&summary).expect("JSON"), numbers))
}

#[test]
fn a_clip_of_a_defect_holds_the_frames_before_it() {
    let Some((dir, source)) = line() else { return };
    // Every frame a keyframe: the clip begins where it is asked to.
    let Some((summary, numbers)) = clip(dir.path(), &source, "exact", &["--encoder", "jpegenc"]) else {
        return;
    };
    assert_eq!(numbers, (BAD.start - 10..BAD.end + 5).collect::<Vec<_>>(), "{summary}");
    assert_eq!(summary["begin"], (BAD.start - 10) * FRAME);
    let defects = summary["defects"].as_array().expect("defects");
    assert_eq!(defects.len(), 1, "{summary}");
    assert_eq!(defects[0]["begin"], BAD.start * FRAME);
    assert_eq!(defects[0]["end"], BAD.end * FRAME);
    assert_eq!(defects[0]["frames"], BAD.end - BAD.start);

    // H.264, and a defect that is told of late: the clip begins with the keyframe before.
    let (summary, numbers) =
        clip(dir.path(), &source, "h264", &["--confirm-frames", "3"]).expect("what the first had");
    assert_eq!(numbers, (25..BAD.end + 5).collect::<Vec<_>>(), "{summary}");
}
