//! From good images to verdicts, with nothing but the command.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use snarm_core::detect::Verdict;
use snarm_core::results;
use snarm_tests::skip::skip;

use crate::run::{no_gstreamer, run, stderr, stdout};

/// A small simulated product in the layout of MVTec AD.
fn product(dir: &Path, name: &str) {
    let line =
        format!("simulate --out {name} --as frames --good-frames 16 --frames 12 --width 320 --height 240");
    run(dir, &line, 0);
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn defects_score_higher_than_good_parts() {
    let dir = tempfile::tempdir().expect("a folder");
    product(dir.path(), "flange");
    let learned = run(dir.path(), "bank flange/train/good --out banks/flange.bank --capacity 4000", 0);
    assert!(stdout(&learned).contains("from 16 frames"), "{}", stdout(&learned));
    run(dir.path(), "detect flange/test --bank banks/flange.bank --out out", 0);
    let results = lines(&dir.path().join("out/results.jsonl"));
    assert_eq!(results.len(), 12);
    let mean = |good: bool| {
        let source = |line: &Value| line["source"].as_str().is_some_and(|s| s.contains("/good/"));
        let scores: Vec<f64> = results
            .iter()
            .filter(|l| source(l) == good)
            .map(|l| l["score"].as_f64().expect("a score"))
            .collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    };
    assert!(mean(false) > mean(true), "defective {} good {}", mean(false), mean(true));
    check_files(dir.path(), &results);
}

#[test]
fn between_two_thresholds_a_frame_is_uncertain() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 5 --frames 4 --width 96 --height 72", 0);
    run(dir, "bank set/train/good -o a.bank --capacity 400", 0);
    let verdicts = |limits: &str, code: i32| {
        let told =
            run(dir, &format!("detect set/test --bank a.bank -o out --fail-on-anomaly {limits}"), code);
        let path = dir.join("out/results.jsonl");
        let records = results::read(&path).expect("lines that the one reader reads");
        for (line, record) in lines(&path).iter().zip(&records) {
            let named = (&line["verdict"], &line["anomaly"]["verdict"], &line["anomalous"]);
            let name = Value::from(record.verdict.name());
            assert_eq!(named, (&name, &name, &Value::from(record.is_anomalous())));
            assert_eq!((record.resolution.width, record.source_id.as_deref()), (96, None));
            assert!(record.model_id.contains(':') && record.bank_id.len() == 64, "{record:?}");
        }
        (records.iter().map(|record| record.verdict).collect::<Vec<_>>(), stdout(&told))
    };
    let (all, told) = verdicts("--threshold 1 --threshold-low 0", 0);
    assert!(all == [Verdict::Uncertain; 4] && told.contains(", 4 uncertain from 0.000 on"), "{all:?} {told}");
    assert_eq!(verdicts("--threshold 0 --threshold-low 0", 3).0, [Verdict::Anomalous; 4]);
    let (all, told) = verdicts("--threshold 1", 0);
    assert!(all == [Verdict::Normal; 4] && !told.contains("uncertain"), "{all:?} {told}");
}

/// Every line names a picture and a map; both are there and have the right size.
fn check_files(dir: &Path, results: &[Value]) {
    for line in results {
        let picture = dir.join("out").join(line["annotated"].as_str().expect("a picture"));
        assert_eq!(image::image_dimensions(&picture).expect("a picture"), (320, 240));
        let map = std::fs::read(dir.join("out").join(line["map"].as_str().expect("a map"))).expect("a map");
        assert!(map.starts_with(b"\x93NUMPY"));
        let numbers: Vec<f32> =
            map[128..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let most = numbers.iter().copied().fold(0.0f32, f32::max);
        assert!((f64::from(most) - line["score-max"].as_f64().expect("a score")).abs() < 1e-6);
    }
}

#[test]
fn commands_cut_frames_into_tiles() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 5 --frames 2 --width 280 --height 160", 0);
    run(dir, "bank set/train/good -o a.bank --capacity 400 --tiles 2x1 --tile-overlap 0.25", 0);
    let pixels = |options: &str| {
        let line = format!("detect set/test --bank a.bank --out out --pictures all {options}");
        let told = stderr(&run(dir, &line, 0));
        let results = lines(&dir.join("out/results.jsonl"));
        let picture = dir.join("out").join(results[0]["annotated"].as_str().expect("a picture"));
        assert_eq!(image::image_dimensions(&picture).expect("a picture"), (280, 160));
        let map =
            std::fs::read(dir.join("out").join(results[0]["map"].as_str().expect("a map"))).expect("a map");
        (
            (map.len() - 128) / 4,
            told.contains("tiles: expected 2x1 with an overlap of 0.25, as the bank was made"),
        )
    };
    // Tiles of 320 x 320 that share a quarter.
    assert_eq!(pixels(""), (560 * 320, false));
    assert_eq!(pixels("--min-defect 4"), (560 * 320, false));
    assert_eq!(pixels("--tiles none"), (320 * 320, true));
    assert_eq!(pixels("--tile-overlap 0"), (640 * 320, true));
    run(dir, "bank set/train/good -o a.bank --capacity 400 --append --min-defect 4", 0);
    let told = stderr(&run(dir, "bank set/train/good -o new.bank --capacity 400 --min-novelty 2", 0));
    assert!(told.contains("4 of 5 frames are not as new as --min-novelty asks for"), "{told}");
    let error = stderr(&run(dir, "bank set/train/good -o a.bank --append --crop full", 1));
    assert!(error.contains("crop of the bank: expected auto, found full"), "{error}");
    let error = stderr(&run(dir, "bank set/train/good -o a.bank --append --tiles 3x1", 1));
    assert!(error.contains("tiles of the bank: expected 2x1 with an overlap of 0.25, found 3x1"), "{error}");
    let error = stderr(&run(dir, "bank set/train/good -o b.bank --tiles 2x1 --min-defect 4", 1));
    assert!(error.contains("min-defect: expected tiles auto beside it"), "{error}");
    run(dir, "eval --data . --categories set --capacity 400 --min-defect 1 --json eval.json", 0);
    let figures: Value =
        serde_json::from_slice(&std::fs::read(dir.join("eval.json")).expect("figures")).expect("JSON");
    assert_eq!(figures["options"]["tiles"]["auto"]["min_defect"], 1.0);
    let told = stdout(&run(dir, "bench --size 192x108 --frames 1 --good-frames 2 --tiles 2x1 --json", 0));
    assert!(told.contains("\"encode\""), "{told}");
}

#[test]
fn a_part_of_the_frame_can_be_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 5 --frames 1 --width 96 --height 72", 0);
    std::fs::write(dir.join("upper.pgm"), b"P5\n1 2\n255\n\xff\x00").expect("a mask");
    run(dir, "bank set/train/good -o a.bank --capacity 400 --roi 0.5,0,0.5,1 --ignore-mask upper.pgm", 0);
    let map = |options: &str| {
        run(dir, &format!("detect set/test --bank a.bank --out out --pictures all {options}"), 0);
        let results = lines(&dir.join("out/results.jsonl"));
        let map =
            std::fs::read(dir.join("out").join(results[0]["map"].as_str().expect("a map"))).expect("a map");
        map[128..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<_>>()
    };
    // The detector follows its bank.
    let of_the_bank = map("");
    let (upper, lower) = of_the_bank.split_at(of_the_bank.len() / 2);
    assert!(upper.iter().all(|score| *score == 0.0) && lower.iter().any(|score| *score > 0.0));
    assert_eq!(map("--roi 0.5,0,0.5,1"), of_the_bank);
    assert_ne!(map("--roi 0,0,1,1"), of_the_bank);
    std::fs::write(dir.join("lower.pgm"), b"P5\n1 2\n255\n\x00\xff").expect("a mask");
    assert!(map("--ignore-mask lower.pgm")[..upper.len()].iter().any(|score| *score > 0.0));
    run(dir, "eval --data . --categories set --capacity 400 --roi 0.25,0.25,0.5,0.5", 0);
    // What the bank knows of light is of its own part.
    std::fs::write(dir.join("black.pgm"), b"P5\n1 2\n255\n\x00\x00").expect("a mask");
    run(dir, "bank set/train/good -o whole.bank --capacity 400 --ignore-mask black.pgm", 0);
    for (options, words) in [
        ("", ""),
        ("--roi 0,0,1,1", ""),
        ("--ignore-mask black.pgm", "ignore mask: expected a picture of which parts are white, found none"),
        ("--roi 0,0,1,0.5", "found roi 0,0,1,0.5 and no ignore mask; light is neither measured"),
        ("--ignore-mask upper.pgm", "found roi 0,0,1,1 and an ignore mask of 1x2; light is neither measured"),
    ] {
        let told = stderr(&run(dir, &format!("detect set/test --bank whole.bank --out out {options}"), 0));
        assert!(told.contains(words), "{options}: {told}");
        let is_silent = words.is_empty() || words.starts_with("ignore mask");
        assert_eq!(told.contains("light is neither"), !is_silent, "{options}: {told}");
        let light = lines(&dir.join("out/results.jsonl"))[0]["light"].as_f64().expect("a number");
        assert_eq!(light > 0.0, is_silent, "{options}: {light}");
    }
    for (options, words) in [
        ("--roi 0.5,0,0.6,1", ["roi: expected x,y,w,h", "found '0.5,0,0.6,1'"]),
        ("--ignore-mask none.png", ["ignore mask not found", "none.png"]),
        (
            "--roi 0.5,0.5,0.5,0.001",
            ["roi: expected at least one pixel of a frame of 96x72", "found 0.5,0.5,0.5,0.001"],
        ),
    ] {
        let code = if options == "--roi 0.5,0,0.6,1" { 2 } else { 1 };
        let output = run(dir, &format!("detect set/test --bank a.bank --out out {options}"), code);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn eval_writes_the_figures_of_each_category_and_their_mean() {
    let dir = tempfile::tempdir().expect("a folder");
    product(dir.path(), "set/flange");
    // The same product once more, without masks.
    product(dir.path(), "set/plain");
    std::fs::remove_dir_all(dir.path().join("set/plain/ground_truth")).expect("masks");
    let output = run(dir.path(), "eval --data set --capacity 4000 --json report/out.json", 0);
    assert!(stdout(&output).contains("image_auroc"));
    let text = std::fs::read_to_string(dir.path().join("report/out.json")).expect("a report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let figures = &report["categories"]["flange"];
    for name in ["image_auroc", "pixel_auroc", "image_ap", "image_f1max", "pixel_ap"] {
        let figure = figures[name].as_f64().expect(name);
        assert!((0.0..=1.0).contains(&figure), "{name} {figure}");
        let mean = report["mean"][name].as_f64().expect(name);
        assert!((mean - figure).abs() < 1e-9, "both categories hold the same images: {name}");
    }
    assert!(report["categories"]["plain"]["pixel_auroc"].is_null());
    assert!(figures["pixel_auroc"].as_f64().is_some_and(|a| a > 0.7), "{text}");
}

#[test]
fn the_exit_code_tells_of_anomalies_when_asked_to() {
    let dir = tempfile::tempdir().expect("a folder");
    product(dir.path(), "set");
    run(
        dir.path(),
        "bank set/train/good/00*.png -o a.bank --capacity 1000 --reduction random --max-frames 6",
        0,
    );
    let detect = "detect set/test/stain --bank a.bank --out out --pictures none --fail-on-anomaly";
    run(dir.path(), &format!("{detect} --threshold 0"), 3);
    run(dir.path(), &format!("{detect} --threshold 1"), 0);
    assert!(!dir.path().join("out/annotated").exists());
    let grown =
        run(dir.path(), "bank set/test/good -o a.bank --append --capacity 1500 --reduction random", 0);
    assert!(stdout(&grown).contains("from 10 frames"), "{}", stdout(&grown));
}

#[test]
fn clips_are_read_by_range_and_interval() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    run(dir.path(), "simulate --out line --good-frames 20 --frames 20 --width 160 --height 120 --fps 10", 0);
    let learned = run(
        dir.path(),
        "bank line/good.mkv -o a.bank --range 0.5-1.5s --interval 2 --capacity 500 --reduction random",
        0,
    );
    assert!(stdout(&learned).contains("from 5 frames"), "{}", stdout(&learned));
    run(dir.path(), "detect line/line.mkv --bank a.bank --out out --range 1s- --pictures all", 0);
    let results = lines(&dir.path().join("out/results.jsonl"));
    assert_eq!(results.len(), 10);
    assert_eq!(results[0]["frame-number"], 10);
    assert_eq!(results[0]["timestamp"], 1_000_000_000u64);
    assert!(dir.path().join("out/annotated/frame-000019.png").is_file());
    run(dir.path(), "detect line/line.mkv --bank a.bank --out all --pictures none", 0);
    let worst = "worst --video line/line.mkv --results all/results.jsonl --out worst --count 2 --truth line/truth.jsonl";
    let summary = stdout(&run(dir.path(), worst, 0));
    assert!(summary.contains("20 frames inspected") && summary.contains("AUROC"), "{summary}");
    assert_eq!(std::fs::read_dir(dir.path().join("worst")).expect("pictures").count(), 2);
    let told = stderr(&run(dir.path(), "limits a.bank all/results.jsonl all/../all/results.jsonl", 1));
    assert!(
        told.contains("expected each file of results once, found one that came before: all/../all"),
        "{told}"
    );
    let limits =
        stdout(&run(dir.path(), "limits a.bank all/results.jsonl --target-fpr 0.1 --picture limits.svg", 0));
    let bank: Vec<&str> = limits.lines().nth(1).expect("a rule").split_whitespace().collect();
    let anomalous =
        lines(&dir.path().join("all/results.jsonl")).iter().filter(|l| l["anomalous"] == true).count();
    assert_eq!(bank[..2], ["bank", "0.500"], "{limits}");
    assert_eq!(bank[5..9], [&anomalous.to_string(), "of", "20", "+0"], "{limits}");
    assert!(bank.len() == 13 && bank[10] == "to" && bank[12] == "%", "{limits}");
    assert!(limits.contains("fpr 0.1") && limits.contains("events 1 an hour at 10 frames/s"), "{limits}");
    // Times of results say how fast the line is; without them the option does.
    let told = run(dir.path(), "limits a.bank all/results.jsonl --fps 30", 0);
    assert!(stdout(&told).contains("an hour at 10 frames/s"), "{}", stdout(&told));
    assert!(stderr(&told).contains("--fps: not used, since the results carry times, of 10 frames/s"));
    let told = stdout(&run(dir.path(), "limits a.bank --fps 30", 0));
    assert!(told.contains("an hour at 30 frames/s"), "{told}");
    let told = stdout(&run(dir.path(), "limits a.bank", 0));
    assert!(told.contains("an hour at 25 frames/s"), "{told}");
    let picture = std::fs::read_to_string(dir.path().join("limits.svg")).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.contains("20 judged frames"), "{picture}");
    // A few of them beside, and a picture in pixels, which replaces its like alone.
    let lines = std::fs::read_to_string(dir.path().join("all/results.jsonl")).expect("results");
    let few: String = lines.lines().take(7).map(|line| format!("{line}\n")).collect();
    std::fs::write(dir.path().join("recent.jsonl"), few).expect("written");
    let command = "limits a.bank all/results.jsonl --recent recent.jsonl --picture";
    for _ in 0..2 {
        let limits = stdout(&run(dir.path(), &format!("{command} limits.png"), 0));
        assert!(limits.contains("recent frames above") && limits.contains(" of 7"), "{limits}");
    }
    let size = image::image_dimensions(dir.path().join("limits.png")).expect("a picture");
    assert_eq!(size, (1520, 660));
    run(dir.path(), &format!("{command} limits.svg"), 0);
    let picture = std::fs::read_to_string(dir.path().join("limits.svg")).expect("a picture");
    assert!(picture.contains("below: 7 recent frames"), "{picture}");
    let said = stderr(&run(dir.path(), &format!("{command} limits.jpg"), 1));
    assert!(
        said.contains("--picture: expected a file that ends in .svg or .png, found limits.jpg"),
        "{said}"
    );
}

/// H.264 decoders keep frames in memory with wide borders; pictures must not be sheared by them.
#[test]
fn clips_are_read_row_by_row_whatever_the_decoder_pads() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let bars = "-q videotestsrc pattern=smpte75 num-buffers=3 ! video/x-raw,format=I420,width=200,height=120,\
                colorimetry=bt601 ! x264enc quantizer=10 pass=quant ! h264parse ! matroskamux ! filesink location=bars.mkv";
    let encoded =
        Command::new("gst-launch-1.0").args(bars.split_whitespace()).current_dir(dir.path()).output();
    if !encoded.is_ok_and(|output| output.status.success()) {
        return skip("element", "no x264enc on this machine");
    }
    std::fs::write(dir.path().join("r.jsonl"), "{\"score\":0.9,\"threshold\":0.5,\"anomalous\":true}\n")
        .expect("results");
    run(dir.path(), "worst --video bars.mkv --results r.jsonl --out worst", 0);
    let picture =
        image::open(dir.path().join("worst/01-frame-000000-score-0.900.png")).expect("a picture").into_rgb8();
    // The upper part is seven upright bars: each column is of one colour.
    for x in [14, 43, 71, 100, 129, 157, 186] {
        let (top, bottom) = (picture.get_pixel(x, 5), picture.get_pixel(x, 70));
        let far = top.0.iter().zip(bottom.0).map(|(a, b)| a.abs_diff(b)).max();
        assert!(far.is_some_and(|d| d < 12), "column {x}: {top:?} {bottom:?}");
    }
}

/// A frame in next to no light is not good because nothing was found in it.
#[test]
fn frames_that_are_not_judged_are_told_and_do_not_pass() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 8 --frames 6 --width 192 --height 144", 0);
    run(dir, "bank set/train/good -o a.bank --capacity 400 --reduction random", 0);
    let lit = image::open(dir.join("set/test/good/0000.png")).expect("a picture").into_rgb8();
    image::RgbImage::from_fn(lit.width(), lit.height(), |x, y| image::Rgb(lit[(x, y)].0.map(|s| s / 12)))
        .save(dir.join("dark.png"))
        .expect("a picture");
    let detect = "detect dark.png --bank a.bank -o out --fail-on-anomaly";
    let told = stdout(&run(dir, detect, 4));
    assert!(told.contains("1 frames, 0 anomalous") && told.contains(", 1 not judged (1 too-dark)"), "{told}");
    assert!(!told.contains("highest score"), "{told}");
    let line = &lines(&dir.join("out/results.jsonl"))[0];
    assert_eq!((&line["verdict"], &line["reason"]), (&"unknown".into(), &"too-dark".into()));
    // Anomalies come first, and without the option all is done.
    run(dir, "detect dark.png set/test --bank a.bank -o out --threshold 0 --fail-on-anomaly", 3);
    run(dir, "detect dark.png --bank a.bank -o out", 0);
    let told = stdout(&run(dir, &format!("{detect} --no-quality-gate --threshold 1"), 0));
    assert!(!told.contains("not judged"), "{told}");
    std::fs::write(dir.join("torn.png"), b"no picture").expect("a file");
    let unread =
        "detect torn.png set/test/good/0000.png --bank a.bank -o out --threshold 1 --skip-unreadable";
    let told = stdout(&run(dir, &format!("{unread} --fail-on-anomaly"), 4));
    assert!(told.contains("1 unreadable"), "{told}");
    run(dir, unread, 0);

    let said = stderr(&run(dir, "limits a.bank out/results.jsonl", 0));
    assert!(!said.contains("left out"), "{said}");
    std::fs::rename(dir.join("dark.png"), dir.join("set/test/good/dark.png")).expect("renamed");
    let said = stderr(&run(
        dir,
        "eval --data . --categories set --capacity 400 --reduction random --json out.json",
        0,
    ));
    assert!(said.contains("category set: 1 not judged (1 too-dark) of 7 test images"), "{said}");
    let figures: Value =
        serde_json::from_slice(&std::fs::read(dir.join("out.json")).expect("figures")).expect("JSON");
    assert_eq!(
        (&figures["verdicts"]["unknown"], &figures["categories"]["set"]["verdicts"]["unknown"]),
        (&1.into(), &1.into())
    );
    let images = figures["categories"]["set"]["images"].as_array().expect("images");
    let reasons: Vec<&Value> =
        images.iter().map(|image| &image["reason"]).filter(|reason| !reason.is_null()).collect();
    assert_eq!(reasons, ["too-dark"]);
    run(dir, "detect set/test/good --bank a.bank -o out --pictures none", 0);
    let said = stderr(&run(dir, "limits a.bank out/results.jsonl", 0));
    assert!(said.contains("left out: 1 frame(s) that could not be judged: out/results.jsonl"), "{said}");
}

#[test]
fn options_that_contradict_each_other_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 5 --frames 3 --width 96 --height 72", 0);
    run(dir, "bank set/train/good -o a.bank --capacity 400 --reduction random", 0);
    let eval = "eval --data . --categories set --capacity 400 --reduction random";
    let train = "train --data . --categories set --out a.safetensors";
    for (line, code, words) in [
        (
            "detect set/test --bank a.bank -o out --threshold 0.4 --threshold-low 0.9".to_owned(),
            1,
            "--threshold-low: expected at most the threshold, which is 0.4, found 0.9",
        ),
        (
            "detect set/test --bank a.bank -o out --threshold-low 0.9".to_owned(),
            1,
            "--threshold-low: expected at most the threshold, which is 0.5",
        ),
        (format!("{eval} --threshold-low 0.9"), 1, "expected at most the threshold, which is 0.5"),
        (
            "detect set/test --bank a.bank -o out --range 0-1s".to_owned(),
            1,
            "--range: expected a clip, found images only",
        ),
        (format!("{eval} --times"), 2, "--json"),
        (format!("{eval} --cases 2"), 2, "--report"),
        (
            format!("{eval} --json a.txt --report a.txt"),
            1,
            "--report: expected another file than that of --json, found a.txt",
        ),
        (format!("{train} --shots 2"), 1, "--shots: expected --setting few, found multi"),
        (format!("{train}/ --setting few --images 2"), 1, "--images: expected --shots in the setting few"),
        (format!("{train} --cache . --cache-size 0"), 1, "--cache: expected a --cache-size above 0, found 0"),
    ] {
        let said = stderr(&run(dir, &line, code));
        assert!(said.contains(words), "expected '{words}' of snarm {line} in:\n{said}");
    }
    assert!(!dir.join("out").exists() && !dir.join("a.txt").exists());
}

/// Heat maps on pictures are no parts.
#[test]
fn what_an_earlier_run_made_is_not_judged_and_no_picture_leaves_its_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 6 --frames 3 --width 96 --height 72", 0);
    std::fs::rename(dir.join("set/train/good"), dir.join("shots")).expect("renamed");
    run(dir, "bank shots -o a.bank --capacity 400 --reduction random", 0);
    run(dir, "detect shots --bank a.bank -o shots", 0);
    let again = run(dir, "detect shots --bank a.bank -o shots", 0);
    assert!(stdout(&again).contains("6 frames"), "{}", stdout(&again));
    let left_out = "left out: 6 picture(s) that an earlier run made, in shots/annotated";
    assert!(stderr(&again).contains(left_out), "{}", stderr(&again));
    assert!(
        dir.join("shots/annotated/0000.png").is_file() && !dir.join("shots/annotated/annotated").exists()
    );
    let learned = run(dir, "bank shots -o a.bank --capacity 400 --reduction random", 0);
    assert!(
        stdout(&learned).contains("from 6 frames") && stderr(&learned).contains(left_out),
        "{}",
        stdout(&learned)
    );

    for folder in ["x/a", "x/y"] {
        std::fs::create_dir_all(dir.join(folder)).expect("a folder");
    }
    std::fs::copy(dir.join("shots/0000.png"), dir.join("x/y/0000.png")).expect("a copy");
    run(dir, "detect x/*/../y/*.png --bank a.bank -o away", 0);
    let results = lines(&dir.join("away/results.jsonl"));
    assert!(!results.is_empty());
    for line in &results {
        let picture = line["annotated"].as_str().expect("a picture");
        assert!(!picture.contains("..") && dir.join("away").join(picture).is_file(), "{picture}");
    }
}

#[test]
fn odd_frames_are_written_as_pictures_and_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    std::fs::create_dir(dir.join("good")).expect("a folder");
    let options = "--capacity 2000 --place none --encoder snarm-tiny";
    let pixels = |i: u64| snarm_tests::stripes::part(64, 48, i, i == 20);
    for i in 0..21 {
        let path = dir.join(format!("good/{i:02}.png"));
        image::RgbImage::from_raw(64, 48, pixels(i)).expect("a picture").save(path).expect("saved");
    }
    let learned = run(dir, &format!("bank good -o part.bank {options} --odd-frames odd"), 0);
    assert!(stderr(&learned).contains("unlike the other frames by"), "{}", stderr(&learned));
    let text = std::fs::read_to_string(dir.join("odd/odd-frames.json")).expect("names");
    let named: Value = serde_json::from_str(&text).expect("JSON");
    let all = named.as_array().expect("a list");
    assert_eq!(all.len(), 1, "{text}");
    assert!(all[0]["source"].as_str().is_some_and(|source| source.ends_with("20.png")), "{text}");
    assert_eq!(all[0]["number"], 20, "{text}");
    assert!(all[0]["sigmas"].as_f64().is_some_and(|sigmas| sigmas >= 4.0), "{text}");
    let picture = dir.join(all[0]["picture"].as_str().expect("a path"));
    assert_eq!(image::open(picture).expect("a picture").into_rgb8().into_raw(), pixels(20));
    // A set without odd frames has an empty list.
    std::fs::remove_file(dir.join("good/20.png")).expect("removed");
    run(dir, &format!("bank good -o part.bank {options} --odd-frames none"), 0);
    assert_eq!(std::fs::read_to_string(dir.join("none/odd-frames.json")).expect("names").trim(), "[]");
}

#[test]
fn a_bank_of_one_picture_warns_and_one_of_some_says_which_views_they_ask_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 4 --frames 2 --width 96 --height 72", 0);
    let one = run(dir, "bank set/train/good/0000.png -o one.bank --capacity 500", 0);
    for text in ["found 1, learned in 16 views each", "views: all learned; one good frame alone does not say"]
    {
        assert!(stderr(&one).contains(text), "{text}: {}", stderr(&one));
    }
    assert!(
        stdout(&one).contains("500 vectors of") && stdout(&one).contains("from 1 frames"),
        "{}",
        stdout(&one)
    );
    assert!(stdout(&one).contains("; views: all learned"), "{}", stdout(&one));
    run(dir, "detect set/train/good --bank one.bank --out out", 0);
    let some =
        run(dir, "bank set/train/good -o some.bank --capacity 500 --views auto --encoder snarm-tiny-1@24", 0);
    let text = stdout(&some);
    assert!(
        text.contains("learned; expected views that make one of 4 frames more like the others"),
        "{text}"
    );
    assert!(text.contains("500 vectors of") && text.contains("turns "), "{text}");
}
