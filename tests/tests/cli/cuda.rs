//! `--device`: frames are scored on a device as on the CPU, by a driver over host memory (`tests/fake-cuda`).

use std::path::Path;

use serde_json::Value;
use snarm_core::models::pyramid_mamba;
use snarm_core::models::scan_order::Curve;
use snarm_tests::checkpoint;
use snarm_tests::fake_cuda::{self, Mode};

use crate::run::{run, snarm, stderr, stdout};

/// Runs `snarm detect` on the frames with a driver.
fn detect(at: &Path, line: &str, drivers: &Path, settings: &[(&str, &str)], code: i32) -> String {
    let mut command = snarm();
    command.current_dir(at).args([
        "detect",
        "flange/test",
        "--bank",
        "a.bank",
        "--pictures",
        "none",
        "--out",
        "out",
    ]);
    command.args(line.split_whitespace()).env("LD_LIBRARY_PATH", drivers).envs(settings.iter().copied());
    let output = command.output().expect("snarm starts");
    let text = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{line}: {text}");
    text
}

/// The lines of results.
fn results(at: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(at.join("out/results.jsonl")).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_device_gives_the_verdicts_of_the_cpu_and_allocates_nothing_a_frame() {
    let Some(drivers) = fake_cuda::folder(Mode::Plain) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out flange --as frames --good-frames 4 --frames 4 --width 192 --height 128", 0);
    run(at, "bank flange/train/good --out a.bank --capacity 200 --encoder snarm-tiny-1@24", 0);
    let lines = |line: &str, settings: &[(&str, &str)]| {
        let settings = [settings, &[("FAKE_CUDA_THREADS", "2")]].concat();
        detect(at, line, &drivers, &settings, 0);
        results(at)
    };
    let report = at.join("report");
    let counts = |model: &str, frames: usize| {
        let settings = [("FAKE_CUDA_REPORT", report.to_str().expect("text"))];
        let found = lines(&format!("{model} --device cuda --max-frames {frames}"), &settings);
        let text = std::fs::read_to_string(&report).expect("a report");
        let count = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a count");
            line.trim().parse().expect("a number")
        };
        (found, count("allocations "), ["launches ", "alone ", "graphs "].map(count))
    };
    // Without a decoder, and with the one that ships.
    let [without, with] = ["--model none", ""].map(|model| {
        let [(_, allocations, one), (found, again, two), (_, _, three)] =
            [1, 2, 3].map(|frames| counts(model, frames));
        assert!(allocations > 10 && allocations == again, "{allocations} allocations, then {again}");
        // From the second frame on one kernel reads the frame, and all others are one launch.
        let more = |from: [u64; 3], to: [u64; 3]| [0, 1, 2].map(|i| to[i] - from[i]);
        let [launches, alone, graphs] = more(one, two);
        assert_eq!(
            (more(two, three), alone, graphs),
            ([launches, 1, 1], 1, 1),
            "{one:?}, then {two:?} and {three:?}"
        );
        assert!(launches > 20, "{launches}");
        let step_by_step =
            lines(&format!("{model} --device cuda --max-frames 2"), &[("FAKE_CUDA_GRAPHS", "0")]);
        let scores = |lines: &[Value]| lines.iter().map(|line| line["score"].clone()).collect::<Vec<_>>();
        assert_eq!(scores(&step_by_step), scores(&found));
        assert!(found.iter().all(|line| line["device"] == "cuda:0"));
        let expected = lines(&format!("{model} --max-frames 2"), &[]);
        assert!(expected.iter().all(|line| line["device"] == "cpu"));
        same(&expected, &found);
        launches
    });
    // All branches go through a layer in one launch; two more bring residuals to the size that it reads.
    assert_eq!(with - without, 37 + 2, "launches of a decoder");
}

/// Scores are close, and verdicts the same but for scores at the threshold.
fn same(cpu: &[Value], cuda: &[Value]) {
    assert!(!cpu.is_empty() && cpu.len() == cuda.len());
    let number = |line: &Value, key: &str| line[key].as_f64().expect("a number");
    for (cpu, cuda) in cpu.iter().zip(cuda) {
        let score = number(cpu, "score");
        assert!((score - number(cuda, "score")).abs() < 0.01, "{cpu}\n{cuda}");
        let near = (score - number(cpu, "threshold")).abs() < 0.01;
        assert!(near || cpu["anomalous"] == cuda["anomalous"], "{cpu}\n{cuda}");
    }
}

#[test]
fn a_decoder_that_needs_no_bank_scores_on_a_device_too() {
    let Some(drivers) = fake_cuda::folder(Mode::Plain) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out flange --as frames --good-frames 4 --frames 3 --width 192 --height 128", 0);
    let shape = checkpoint::narrow(4, Curve::Sweep);
    checkpoint::write(&at.join("c.safetensors"), &pyramid_mamba::KIND, &shape, [1, 1, 1]);
    let detect = |device: &str| {
        let mut command = snarm();
        command.current_dir(at).env("LD_LIBRARY_PATH", &drivers).env("FAKE_CUDA_THREADS", "2");
        let line = format!(
            "detect flange/test --model c.safetensors --threshold 0.5 --pictures none --out out --device {device}"
        );
        let output = command.args(line.split_whitespace()).output().expect("snarm starts");
        assert!(output.status.success(), "{}", stderr(&output));
        results(at)
    };
    let (expected, found) = (detect("cpu"), detect("cuda"));
    assert!(expected.len() == found.len() && found.iter().all(|line| line["device"] == "cuda:0"));
    for (expected, found) in expected.iter().zip(&found) {
        let [one, other] = [expected, found].map(|line| line["score"].as_f64().expect("a number"));
        assert!(one > 0.0 && (other / one - 1.0).abs() < 0.02, "{expected}\n{found}");
    }
}

#[test]
fn a_device_that_is_missing_or_fails_is_an_error_by_name_and_a_warning_with_auto() {
    let Some(drivers) = fake_cuda::folder(Mode::Plain) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out flange --as frames --good-frames 4 --frames 3 --width 192 --height 128", 0);
    run(at, "bank flange/train/good --out a.bank --capacity 100 --encoder snarm-tiny-1@24", 0);
    let none = [("FAKE_CUDA_DEVICES", "0")];
    let text = detect(at, "--device cuda", &drivers, &none, 1);
    assert!(text.contains("CUDA: expected a device 0, found none"), "{text}");
    let text = detect(at, "--device gpu", &drivers, &[], 2);
    assert!(text.contains("expected auto, cpu, cuda, or cuda:N"), "{text}");

    detect(at, "--model none", &drivers, &[], 0);
    let expected = results(at);
    let exactly = |found: Vec<Value>| {
        assert_eq!(found.len(), expected.len());
        for (a, b) in expected.iter().zip(&found) {
            assert_eq!((&a["score"], &a["anomalous"]), (&b["score"], &b["anomalous"]));
        }
    };
    // Frames before a failure are those of the device.
    let near = |found: Vec<Value>| same(&expected, &found);
    detect(at, "--model none --device auto", &drivers, &none, 0);
    exactly(results(at));
    // While the built-in picture is looked at, with other numbers than the CPU's, and in the middle of the frames.
    for setting in [
        ("FAKE_CUDA_ALLOCATIONS", "20"),
        ("FAKE_CUDA_LAUNCHES", "9"),
        ("FAKE_CUDA_SKIPS", "linear"),
        ("FAKE_CUDA_SKIPS", "light_compare"),
        ("FAKE_CUDA_REFUSES", "150"),
    ] {
        let text = detect(at, "--model none --device auto", &drivers, &[setting], 0);
        assert_eq!(text.matches("frames are scored on the CPU from now on: ").count(), 1, "{text}");
        assert!(text.contains("CUDA: ") || text.contains("of a built-in picture within"), "{text}");
        near(results(at));
        let text = detect(at, "--model none --device cuda", &drivers, &[setting], 1);
        assert!(text.contains("CUDA: ") || text.contains("of a built-in picture within"), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    // A device whose decoder finds other numbers, and one that lacks the memory for it.
    detect(at, "", &drivers, &[], 0);
    let scores = || -> Vec<Value> { results(at).iter().map(|line| line["score"].clone()).collect() };
    let expected = scores();
    for (setting, says) in [
        (("FAKE_CUDA_SKIPS", "conv3x3_narrow"), "expected scores of a built-in picture within"),
        (("FAKE_CUDA_LARGEST", "1500000"), "cuMemAlloc failed"),
    ] {
        let text = detect(at, "--device auto", &drivers, &[setting], 0);
        assert!(text.contains("frames are scored on the CPU from now on: ") && text.contains(says), "{text}");
        assert_eq!(expected, scores());
    }
}

#[test]
fn a_bank_that_a_device_learned_is_evaluated_there_as_one_of_the_cpu() {
    let Some(drivers) = fake_cuda::folder(Mode::Plain) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out flange --as frames --good-frames 4 --frames 3 --width 192 --height 128", 0);
    let there = |line: &str| {
        let mut command = snarm();
        command.current_dir(at).args(line.split_whitespace()).env("LD_LIBRARY_PATH", &drivers);
        let output = command.output().expect("snarm starts");
        assert!(output.status.success(), "{line}: {}{}", stdout(&output), stderr(&output));
    };
    let learn = "bank flange/train/good --capacity 200 --encoder snarm-tiny-1@24 --model none";
    run(at, &format!("{learn} --out cpu.bank"), 0);
    there(&format!("{learn} --out cuda.bank --device cuda"));
    let [cpu, cuda] =
        ["cpu.bank", "cuda.bank"].map(|name| snarm_core::bank::Bank::open(&at.join(name)).expect("a bank"));
    let apart = cuda.calibration().mean / cpu.calibration().mean - 1.0;
    assert!(cpu.vectors() == cuda.vectors() && apart.abs() < 0.05 && apart != 0.0, "{apart}");

    let evaluate = "eval --data flange --encoder snarm-tiny-1@24 --model none --capacity 200";
    run(at, &format!("{evaluate} --json cpu.json"), 0);
    there(&format!("{evaluate} --json cuda.json --device cuda"));
    let [cpu, cuda] = ["cpu.json", "cuda.json"].map(|name| -> Value {
        let text = std::fs::read_to_string(at.join(name)).expect("figures");
        serde_json::from_str(&text).expect("JSON")
    });
    let scores = |figures: &Value| -> Vec<f64> {
        let categories = figures["categories"].as_object().expect("categories");
        let images = categories["flange"]["images"].as_array().expect("images");
        images.iter().map(|image| image["score"].as_f64().expect("a score")).collect()
    };
    let (cpu, cuda) = (scores(&cpu), scores(&cuda));
    assert!(!cpu.is_empty() && cpu.len() == cuda.len());
    assert!(cpu.iter().zip(&cuda).all(|(a, b)| (a - b).abs() < 0.03), "{cpu:?} {cuda:?}");
    assert_ne!(cpu, cuda);
}
