//! `--device`: frames are scored on a device as on the CPU, by a driver over host memory (`tests/fake-cuda`).

use std::path::Path;

use serde_json::Value;
use snarm_tests::fake_cuda::{self, Mode};

use crate::run::{run, snarm, stderr, stdout};

/// Launches before the first frame: the bank is rounded once.
const AT_START: u64 = 1;

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
    let counts = |frames: usize| {
        let settings = [("FAKE_CUDA_REPORT", report.to_str().expect("text"))];
        let found = lines(&format!("--model none --device cuda --max-frames {frames}"), &settings);
        let text = std::fs::read_to_string(&report).expect("a report");
        let count = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a count");
            line.trim().parse().expect("a number")
        };
        (found, count("allocations "), count("launches "))
    };
    let (_, allocations, launches) = counts(1);
    let (found, again, more) = counts(2);
    assert!(allocations > 10 && allocations == again, "{allocations} allocations, then {again}");
    assert!(launches > 30 && more == 2 * launches - AT_START, "{launches} launches, then {more}");
    same(&lines("--model none --max-frames 2", &[]), &found);
    // The decoder that ships stays on the host, and reads what the device found.
    let with_decoder = lines("--device cuda --max-frames 1", &[]);
    same(&lines("--max-frames 1", &[]), &with_decoder);
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
    detect(at, "--model none --device auto", &drivers, &none, 0);
    exactly(results(at));
    // At the start, and in the middle of the first frame.
    for setting in [("FAKE_CUDA_ALLOCATIONS", "20"), ("FAKE_CUDA_LAUNCHES", "9")] {
        let text = detect(at, "--model none --device auto", &drivers, &[setting], 0);
        assert_eq!(text.matches("frames are scored on the CPU from now on: CUDA: ").count(), 1, "{text}");
        exactly(results(at));
        let text = detect(at, "--model none --device cuda", &drivers, &[setting], 1);
        assert!(text.contains("CUDA: ") && !text.contains("panicked"), "{text}");
    }
}
