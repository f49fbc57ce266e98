//! Recipes that leave files.

use crate::common::{CAMERA, frames, is_labelled, launch, learned, results};

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
fn record_segments_cuts_at_equal_lengths_and_loses_no_frame() {
    let Some(dir) = learned() else { return };
    let source = CAMERA.replace("num-buffers=12", "num-buffers=45");
    let variables =
        [&source, "bank=part.bank", "video=run%03d.mkv", "results=run.jsonl", "segment=400000000"];
    launch(dir.path(), "record-segments", &variables);
    let lines = results(&dir.path().join("run.jsonl"));
    assert_eq!(lines.len(), 45);
    // 0.4 s at 25 frames a second.
    for (segment, expected) in [10, 10, 10, 10, 5].into_iter().enumerate() {
        let found = frames(dir.path(), &format!("run{segment:03}.mkv"));
        assert_eq!(found.len(), expected, "segment {segment}");
        assert!(found.iter().all(is_labelled), "segment {segment} is not annotated");
        assert_eq!(lines[segment * 10]["timestamp"], segment as u64 * 400_000_000);
    }
    assert!(!dir.path().join("run005.mkv").exists());
}
