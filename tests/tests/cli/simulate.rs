//! The synthetic line: repeatable, with a truth that fits.

use std::collections::BTreeMap;
use std::path::Path;

use crate::run::{no_gstreamer, run, stderr, stdout};

/// Every file below `folder` by its relative path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut left) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder").display().to_string();
                found.insert(name, std::fs::read(path).expect("a file"));
            }
        }
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    for (out, seed) in [("a", 3), ("b", 3), ("c", 4)] {
        let line = format!(
            "simulate --out {out} --as frames --seed {seed} --good-frames 3 --frames 6 --width 96 --height 72"
        );
        run(dir.path(), &line, 0);
    }
    let [a, b, c] = ["a", "b", "c"].map(|name| files(&dir.path().join(name)));
    assert_eq!(a.len(), 3 + 6 + 4, "3 to learn from, 6 to test with, 4 masks");
    assert_eq!(a, b);
    assert_ne!(a["train/good/0000.png"], c["train/good/0000.png"]);
}

#[test]
fn every_part_is_rendered_with_every_kind_of_defect() {
    let dir = tempfile::tempdir().expect("a folder");
    for part in ["flange", "cap", "plate"] {
        let line = format!(
            "simulate --out {part} --as frames --part {part} --good-frames 1 --frames 11 --width 160 --height 120"
        );
        run(dir.path(), &line, 0);
        for kind in ["scratch", "dent", "missing", "stain", "colour", "crack", "foreign"] {
            let masks = files(&dir.path().join(part).join("ground_truth").join(kind));
            assert!(!masks.is_empty(), "{part} {kind}");
            for (name, bytes) in masks {
                let mask = image::load_from_memory(&bytes).expect("a mask").into_luma8();
                let marked = mask.pixels().filter(|p| p.0[0] > 0).count();
                assert!((5..160 * 120 / 2).contains(&marked), "{part} {kind} {name}: {marked} pixels");
            }
        }
    }
}

#[test]
fn pieces_that_lie_wrong_are_photographed_and_not_filmed() {
    let dir = tempfile::tempdir().expect("a folder");
    let rest = "--defects logical --good-frames 1 --frames 9 --width 160 --height 120";
    for part in ["flange", "cap", "plate"] {
        run(dir.path(), &format!("simulate --out {part} --as frames --part {part} {rest}"), 0);
        for kind in ["displaced", "turned", "absent"] {
            let masks = files(&dir.path().join(part).join("ground_truth").join(kind));
            assert_eq!(masks.len(), 2, "{part} {kind}");
            for (name, bytes) in masks {
                // The whole piece, or where it belongs.
                let mask = image::load_from_memory(&bytes).expect("a mask").into_luma8();
                let marked = mask.pixels().filter(|p| p.0[0] > 0).count();
                assert!(
                    (160 * 120 / 10..160 * 120 * 2 / 3).contains(&marked),
                    "{part} {kind} {name}: {marked}"
                );
            }
        }
    }
    let told = stderr(&run(dir.path(), &format!("simulate --out clip {rest}"), 1));
    assert!(told.contains("--defects logical: expected --as frames"), "{told}");
    assert!(!dir.path().join("clip").exists());
}

#[test]
fn clips_come_with_one_line_of_truth_a_frame() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let output = run(
        dir.path(),
        "simulate --out line --good-frames 4 --frames 60 --width 160 --height 120 --fps 10",
        0,
    );
    assert!(stdout(&output).contains("4 good frames to learn from, 60 to inspect"));
    let truth = std::fs::read_to_string(dir.path().join("line/truth.jsonl")).expect("truth");
    let lines: Vec<serde_json::Value> =
        truth.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 60);
    let anomalous: Vec<_> = lines.iter().filter(|line| line["anomalous"] == true).collect();
    assert!((5..55).contains(&anomalous.len()), "{} of 60", anomalous.len());
    for line in anomalous {
        let mask = format!("line/masks/{:06}.png", line["frame-number"].as_u64().expect("a number"));
        assert!(dir.path().join(&mask).is_file(), "{mask}");
        assert!(line["defects"][0]["pixels"].as_u64().is_some_and(|n| n > 0));
    }
    assert!(dir.path().join("line/good.mkv").is_file() && dir.path().join("line/line.mkv").is_file());
}

/// Rows of 3 bytes a pixel seldom fill the words that raw video is made of: too few bytes are too few frames.
#[test]
fn clips_of_any_width_hold_all_their_frames() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    for (width, height) in [(97, 73), (98, 72), (99, 71)] {
        let line = format!(
            "simulate --out {width} --good-frames 5 --frames 1 --width {width} --height {height} --fps 10"
        );
        run(dir.path(), &line, 0);
        let found = stdout(&run(dir.path(), &format!("doctor {width}/good.mkv"), 0));
        assert!(found.contains("5 frames in 0.50 s"), "{width} x {height}: {found}");
    }
}

#[test]
fn a_line_is_drawn_over_itself_and_over_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let draw = |options: &str, code: i32| {
        let line = format!(
            "simulate --out set --as frames --good-frames 2 --frames 3 --width 96 --height 72 {options}"
        );
        stderr(&run(dir, &line, code))
    };
    draw("", 0);
    let before = files(dir);
    draw("", 0);
    let told = draw("--seed 1", 1);
    assert!(told.contains("--out: expected a new folder, or one of the same options"), "{told}");
    std::fs::remove_dir_all(dir.join("set/train")).expect("removed");
    assert!(draw("--seed 1", 1).contains("set/test/good/0000.png"));
    draw("", 0);
    assert_eq!(files(dir), before);
    // Clips of another camera have no truth beside them.
    std::fs::write(dir.join("good.mkv"), "a clip").expect("a file");
    let told = stderr(&run(dir, "simulate --out . --good-frames 2 --frames 2 --width 96 --height 72", 1));
    assert!(told.contains("with its truth.jsonl, found a file that would be replaced: ./good.mkv"), "{told}");
    assert_eq!(std::fs::read(dir.join("good.mkv")).expect("a file"), b"a clip");
}
