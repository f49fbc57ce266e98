//! Training from outside: it can be killed at any step, what comes out is a decoder, and wrong calls are explained.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use snarm_core::models::snarm::decoder::SnarmDecoder;

use crate::run::{run, snarm, stderr, stdout};

/// A short training of a small decoder on a coarse grid.
const SHORT: &str = "--grid 8 --channels 8 --branches 2 --batch 2 --steps 12 --cycle 2 --warm-up 3 --look 6 --save 3 \
                     --variants 2 --capacity 100";

/// Steps of it.
const STEPS: usize = 12;

/// Two products, of a few small pictures each.
fn data(dir: &Path) {
    for (name, part) in [("left", "cap"), ("right", "plate")] {
        let line = format!(
            "simulate --out data/{name} --as frames --part {part} --good-frames 6 --frames 4 --width 96 --height 72"
        );
        run(dir, &line, 0);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Starts a training and kills it as soon as its log has so many rows. Returns the rows that it then had.
fn kill_at(dir: &Path, line: &str, log: &Path, rows: usize) -> usize {
    let mut child = snarm()
        .args(line.split_whitespace())
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("snarm starts");
    let begun = Instant::now();
    while read(log).lines().count() < rows + 1 {
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "it ended before step {rows}: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(240), "no {rows} steps within four minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("a child that runs");
    child.wait().expect("a child");
    read(log).lines().count() - 1
}

#[test]
fn a_killed_training_goes_on_as_if_it_had_not_been_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    data(dir.path());
    let line = |out: &str| format!("train --data data {SHORT} --out {out}.safetensors");
    run(dir.path(), &line("whole"), 0);
    let expected = read(&path("whole.csv"));
    assert_eq!(expected.lines().count(), STEPS + 1, "{expected}");
    let mut killed = Vec::new();
    for rows in [1, 5, 10] {
        let out = format!("killed-{rows}");
        killed.push(kill_at(dir.path(), &line(&out), &path(&format!("{out}.csv")), rows));
        // Before the first checkpoint there is nothing to go on from.
        // What is kept in memory and on a disk may change on the way.
        let resume = if path(&format!("{out}.checkpoint")).exists() { " --resume --memory 0" } else { "" };
        run(dir.path(), &(line(&out) + resume), 0);
        assert_eq!(read(&path(&format!("{out}.csv"))), expected, "killed at {killed:?}");
        let tensors = |name: &str| SnarmDecoder::open(&path(name)).expect("a decoder").digest().to_owned();
        assert_eq!(
            tensors("whole.safetensors"),
            tensors(&format!("{out}.safetensors")),
            "killed at {killed:?}"
        );
    }
    assert!(killed.iter().any(|rows| *rows < STEPS), "none was killed on the way: {killed:?}");
}

#[test]
fn descriptors_on_a_disk_change_no_digit_and_leave_no_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    data(dir.path());
    std::fs::create_dir(path("cache")).expect("a folder");
    let line = |rest: &str| format!("train --data data --categories left {SHORT} {rest}");
    run(dir.path(), &line("--out memory.safetensors --cache-size 0"), 0);
    let left = || std::fs::read_dir(path("cache")).expect("a folder").count();
    let on_disk =
        |out: &str| line(&format!("--out {out}.safetensors --memory 0 --cache cache --cache-size 64"));
    kill_at(dir.path(), &on_disk("killed"), &path("killed.csv"), 7);
    assert_eq!(left(), 0, "after a kill");
    let output = snarm()
        .args(on_disk("disk").split_whitespace())
        .current_dir(dir.path())
        .env("SNARM_LOG", "info")
        .output()
        .expect("snarm starts");
    let text = stderr(&output);
    assert!(text.contains("from_disk=") && !text.contains("from_disk=0"), "{text}");
    assert_eq!(read(&path("disk.csv")), read(&path("memory.csv")));
    assert_eq!(left(), 0, "after the end");
    // Without a folder for temporary files nothing is kept on a disk, which is said and is no reason to stop.
    let output = snarm()
        .args(line("--out nowhere.safetensors --memory 0").split_whitespace())
        .current_dir(dir.path())
        .env("TMPDIR", path("nowhere"))
        .output()
        .expect("snarm starts");
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("descriptors are kept in memory alone").count(), 1, "{text}");
    assert!(text.contains("No such file or directory") && text.contains("nowhere"), "{text}");
    assert_eq!(read(&path("nowhere.csv")), read(&path("memory.csv")));
}

#[test]
fn each_setting_writes_decoders_that_say_what_they_learned_from() {
    let dir = tempfile::tempdir().expect("a folder");
    data(dir.path());
    let about = |file: &str| {
        let decoder = SnarmDecoder::open(&dir.path().join(file)).expect("a decoder");
        let about = decoder.about().expect("a header").clone();
        assert!(about.grid == 8 && about.shape.channels == 8 && about.shape.branches == 2, "{about:?}");
        about
    };
    let short = SHORT.replace("--steps 12", "--steps 4");
    for (setting, file, learned) in [
        ("single", "single/left.safetensors", vec!["left"]),
        ("cross", "cross/left.safetensors", vec!["right", "drawn-0"]),
        ("few", "few/left.safetensors", vec!["left"]),
    ] {
        let drawn = match setting {
            "cross" => "--products 1 --product-images 6",
            "few" => "--shots 2",
            _ => "",
        };
        let line = format!(
            "train --data data --setting {setting} --categories left {short} {drawn} --out {setting} --licence CC0-1.0"
        );
        run(dir.path(), &line, 0);
        let about = about(file);
        assert_eq!(about.provenance.categories, learned);
        assert_eq!(
            (about.provenance.data.as_str(), about.licence.as_str()),
            (&*format!("data ({setting})"), "CC0-1.0")
        );
        assert_eq!(about.provenance.steps, 4);
    }
    // Nothing but photographs and drawn products.
    let pictures =
        "--pictures data/left/train data/right/train --picture-classes 2 --products 1 --product-images 6";
    let line = format!("train --setting universal {short} {pictures} --out universal.safetensors");
    run(dir.path(), &line, 0);
    let universal = about("universal.safetensors");
    let names = &universal.provenance.categories;
    assert!(names.len() == 3 && names[0] == "drawn-0" && names[1].starts_with("picture-0-"), "{names:?}");
    assert_eq!(universal.provenance.data, "no data sets (universal)");
    assert!(universal.relative);
    let calibration = about("single/left.safetensors").calibration.expect("a threshold of its own");
    assert!(calibration.held_out && calibration.frames == 1, "{calibration:?}");
}

#[test]
fn what_is_left_out_is_judged_but_not_written() {
    let dir = tempfile::tempdir().expect("a folder");
    data(dir.path());
    let short = SHORT.replace("--steps 12", "--steps 2");
    let line = format!(
        "train --data data --categories left {short} --out a.safetensors --no-mamba --top-k 1 --test"
    );
    let text = stdout(&run(dir.path(), &line, 0));
    assert!(text.contains("no decoder, since a part was left out"), "{text}");
    assert!(!dir.path().join("a.safetensors").exists());
    let figures: serde_json::Value = serde_json::from_str(&read(&dir.path().join("a.json"))).expect("JSON");
    for (i, scorer) in ["training-free", "decoder"].into_iter().enumerate() {
        assert_eq!(figures[i]["scorer"], scorer);
        assert!(figures[i]["pixel_ap"].as_f64().is_some_and(|ap| (0.0..=1.0).contains(&ap)), "{figures}");
    }
}

#[test]
fn categories_to_judge_are_not_learned_from() {
    let dir = tempfile::tempdir().expect("a folder");
    data(dir.path());
    let short = SHORT.replace("--steps 12", "--steps 2");
    let drawn = "--setting universal --products 1 --product-images 6 --test-data data";
    run(dir.path(), &format!("train {short} {drawn} --out a.safetensors"), 0);
    let decoder = SnarmDecoder::open(&dir.path().join("a.safetensors")).expect("a decoder");
    assert_eq!(decoder.about().expect("a header").provenance.categories, ["drawn-0"]);
    let figures: serde_json::Value = serde_json::from_str(&read(&dir.path().join("a.json"))).expect("JSON");
    let scored: Vec<&str> = (0..4).filter_map(|i| figures[i]["category"].as_str()).collect();
    assert_eq!(scored, ["left", "left", "right", "right"], "{figures}");
}

#[test]
fn wrong_trainings_are_explained() {
    let dir = tempfile::tempdir().expect("a folder");
    data(dir.path());
    for (line, reason) in [
        ("train --data data --categories up", "--categories: expected one of left, right, found up"),
        (
            "train --data data --grid 1000",
            "encoder: expected a grid of 2 to 160 descriptors a side, found 1000",
        ),
        ("train --data data --top-k 9", "top-k: expected 1 to 3, found 9"),
        ("train --data data --steps 0", "steps: expected at least 1, found 0"),
        (
            "train --data data --cache nowhere",
            "--cache: cannot write computed descriptors: No such file or directory (os error 2): nowhere",
        ),
        ("train --data nowhere", "folder not found: nowhere"),
        ("train --data data --device cuda:4096", "device: expected"),
        ("train --data data --data data", "expected categories of different names, found left twice"),
        ("train --setting cross --products 1", "cross: expected --data with categories of good images"),
        ("train --setting universal --products 1 --test", "--test: expected --data with test images"),
        (
            "train --data data --test-data data",
            "expected categories that are not learned from, found left in --data",
        ),
        ("train --data data --pictures data/left --picture-classes 99", "expected as many pictures"),
        ("train --data data --resume --categories left --capacity 50 --grid 8", "checkpoint not found"),
    ] {
        let output = run(dir.path(), &format!("{line} --out a.safetensors"), 1);
        let text = stderr(&output);
        assert!(text.contains(reason), "expected '{reason}' in:\n{text}");
    }
    std::fs::write(dir.path().join("data/right/train/good/torn.png"), b"no picture").expect("a file");
    let text = stderr(&run(dir.path(), "train --data data --out a.safetensors", 1));
    assert!(text.contains("category right") && text.contains("train/good/torn.png: expected"), "{text}");
    std::fs::remove_file(dir.path().join("data/right/train/good/torn.png")).expect("a file");
    let before = format!("train --data data --categories left {SHORT} --steps 3 --out a.safetensors");
    run(dir.path(), &before.replacen("--steps 12 ", "", 1), 0);
    let other = format!("train --data data --categories left {SHORT} --out a.safetensors --seed 2 --resume");
    let text = stderr(&run(dir.path(), &other, 1));
    assert!(text.contains("expected a run of the configuration settings."), "{text}");
    assert!(text.contains("seed = 2, found "), "{text}");
}
