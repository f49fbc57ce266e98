//! `--precision`: products in bf16 find nearly what those in f32 find, and results and banks say in which they were.

use std::path::Path;

use serde_json::Value;
use snarm_core::Precision;
use snarm_core::bank::Bank;
use snarm_core::detect::PrecisionChoice;

use crate::run::{run, stderr};

/// The lines of results of frames that were scored with that choice.
fn results(at: &Path, choice: &str) -> Vec<Value> {
    run(
        at,
        &format!("detect flange/test --bank a.bank --pictures none --out {choice} --precision {choice}"),
        0,
    );
    let text = std::fs::read_to_string(at.join(choice).join("results.jsonl")).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// What hardly a score moves by.
const MOST: f64 = 0.05;

#[test]
fn products_in_bf16_find_what_those_in_f32_find() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = dir.path();
    run(at, "simulate --out flange --as frames --good-frames 6 --frames 8 --width 256 --height 192", 0);
    run(
        at,
        "bank flange/train/good --out a.bank --capacity 600 --encoder snarm-tiny-1@24 --precision f32",
        0,
    );
    let auto = PrecisionChoice::Auto.choose().expect("a precision").name();
    let of_bank = |name: &str| Bank::open(&at.join(name)).expect("a bank").header().precision.clone();
    assert_eq!(of_bank("a.bank"), "f32");
    run(at, "bank flange/train/good --out b.bank --capacity 600 --encoder snarm-tiny-1@24", 0);
    assert_eq!(of_bank("b.bank"), auto);

    let exact = results(at, "f32");
    let said = |lines: &[Value]| lines.iter().map(|line| line["precision"].clone()).collect::<Vec<_>>();
    assert_eq!(said(&exact), vec![Value::from("f32"); exact.len()]);
    let found = results(at, "auto");
    assert_eq!(said(&found), vec![Value::from(auto); exact.len()]);
    if !Precision::Bf16.is_available() {
        let refused = stderr(&run(at, "detect flange/test --bank a.bank --out c --precision bf16", 1));
        assert!(refused.contains("precision: expected bf16 on a processor with AVX512-BF16"), "{refused}");
        return;
    }
    let found = results(at, "bf16");
    let mut moved = 0.0_f64;
    for (exact, found) in exact.iter().zip(&found) {
        let score = |line: &Value| line["score"].as_f64().expect("a score");
        let apart = (score(exact) - score(found)).abs();
        assert!(apart < MOST, "{exact} {found}");
        moved = moved.max(apart);
        if (score(exact) - exact["threshold"].as_f64().expect("a limit")).abs() > MOST {
            assert_eq!(exact["verdict"], found["verdict"], "{exact} {found}");
        }
    }
    assert!(moved > 0.0, "nothing was rounded");
}
