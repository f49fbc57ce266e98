//! Recipes that leave files.

use crate::common::{CAMERA, frames, gst_launch, is_labelled, launch, learned, results};

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

#[test]
fn segments_of_a_clip_end_by_themselves() {
    let Some(dir) = learned() else { return };
    gst_launch(
        dir.path(),
        "videotestsrc num-buffers=40 pattern=ball ! video/x-raw,width=128,height=96,framerate=25/1 ! x264enc \
         ! h264parse ! matroskamux ! filesink location=clip.mkv",
    );
    // splitmuxsink lost the end in every second run; a run that does not end is given up after three minutes, and fails.
    for run in 0..6 {
        let (video, lines) = (format!("video=run{run}-%d.mkv"), format!("results=run{run}.jsonl"));
        let variables = [
            "source=filesrc location=clip.mkv ! decodebin",
            "bank=part.bank",
            &video,
            &lines,
            "segment=500000000",
        ];
        launch(dir.path(), "record-segments", &variables);
        assert_eq!(results(&dir.path().join(format!("run{run}.jsonl"))).len(), 40);
    }
    let names = (0..).map(|n| format!("run0-{n}.mkv")).take_while(|name| dir.path().join(name).exists());
    let recorded: Vec<usize> = names.map(|name| frames(dir.path(), &name).len()).collect();
    assert!(recorded.len() > 1 && recorded.iter().sum::<usize>() == 40, "{recorded:?}");
}
