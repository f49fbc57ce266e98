//! Two versions of a bank that are compared on a recording, which is known by its name alone.

use std::path::Path;

use serde_json::{Value, json};

use crate::common::{ADMIN, PASSWORD, Station, learned, until};
use crate::run::run;
use crate::shadow::candidate;

const COMPARE: &str = "/api/lines/belt/compare";

/// Every frame has a verdict.
const DETECTOR: &str = "snarmdetect quality-gate=false";

/// Writes a clip of a bright square that moves from left to right.
fn record(file: &Path, frames: usize, (wide, high): (usize, usize)) {
    let mut clip = format!("YUV4MPEG2 W{wide} H{high} F5:1 Ip A1:1 C420jpeg\n").into_bytes();
    for frame in 0..frames {
        clip.extend_from_slice(b"FRAME\n");
        let is_bright = |at: usize| at / wide > high / 2 && (frame..frame + wide / 6).contains(&(at % wide));
        clip.extend((0..wide * high).map(|at| if is_bright(at) { 230 } else { 20 }));
        clip.resize(clip.len() + wide * high / 2, 128);
    }
    std::fs::write(file, clip).expect("a file");
}

#[test]
fn two_versions_are_compared_on_a_recording_while_the_line_goes_on() {
    let Some(dir) = learned() else { return };
    record(&dir.path().join("night.y4m"), 12, (128, 96));
    record(&dir.path().join("long.y4m"), 2000, (32, 24));
    let clips = [("night", "night.y4m"), ("long", "long.y4m"), ("gone", "secret.y4m")];
    let recordings =
        clips.map(|(name, file)| format!("[[line.recording]]\nname = '{name}'\nfile = '{file}'\n")).concat();
    let more = format!("detect = {{ quality-gate = false }}\n{recordings}");
    let station = Station::start_with(dir.path(), DETECTOR, &more);
    let admin = station.set_up();
    until("frames are judged", || admin.get("/api/lines/belt").json()["status"] == "running");
    let ask = |recording: &str, a: i64, b: i64| {
        admin.post(COMPARE, &json!({ "recording": recording, "a": a, "b": b }))
    };
    let now = || admin.get(COMPARE).json();
    assert_eq!(now(), json!({ "recordings": ["night", "long", "gone"], "now": null, "last": null }));
    assert_eq!(admin.ask("DELETE", COMPARE, &[]).code, 409);
    candidate(&admin);
    let limits = json!({ "threshold": null, "low": null, "reason": "those of the banks" });
    assert_eq!(admin.post("/api/lines/belt/limits", &limits).code, 204);

    // What makes no sense is refused, and so is who may not make banks; a path is no name.
    for (recording, a, b, words) in [
        ("night.y4m", 1, 2, "expected a recording of this line (night, long, gone)"),
        ("../night", 1, 2, "expected a recording of this line"),
        ("night", 1, 1, "expected two versions, found 1 twice"),
        ("night", 1, 9, "expected a version of this line, found 9"),
    ] {
        let refused = ask(recording, a, b);
        assert!(refused.code == 409 && refused.text().contains(words), "{recording}: {}", refused.text());
    }
    let none = json!({ "recording": "night", "a": 1, "b": 2, "interval": 0 });
    assert_eq!(admin.post(COMPARE, &none).code, 400);
    let person = json!({ "name": "bob", "role": "operator", "password": PASSWORD });
    assert_eq!(admin.post("/api/people", &person).code, 204);
    let operator = station.sign_in("bob");
    assert_eq!((operator.get(COMPARE).code, operator.ask("DELETE", COMPARE, &[]).code), (403, 403));

    // Both judge every frame, and what they say is joined.
    assert_eq!(ask("night", 1, 2).code, 204);
    until("it has ended", || now()["last"]["of"]["recording"] == "night" && now()["now"].is_null());
    let last = now()["last"].clone();
    let report = &last["report"];
    let count = |name: &str| report[name].as_u64().expect("a count");
    assert_eq!((count("frames"), count("unjudged"), &last["failure"]), (12, 0, &Value::Null), "{last}");
    assert_eq!(count("both_pass") + count("both_alarm") + count("only_a") + count("only_b"), 12);
    assert_eq!((&last["of"]["author"], &last["of"]["b"]), (&json!(ADMIN), &json!(2)));
    for name in ["histogram_a", "histogram_b"] {
        let bars = report[name].as_array().expect("bars").iter();
        assert_eq!(bars.filter_map(Value::as_u64).sum::<u64>(), 12, "{report}");
    }
    let apart = report["apart"].as_array().expect("frames");
    let difference = |each: &Value| {
        let score = |by: &str| each[by]["score"].as_f64().expect("a score");
        (score("a") - score("b")).abs()
    };
    assert!(!apart.is_empty() && apart.len() <= 12, "{report}");
    assert!(apart.is_sorted_by(|one, other| difference(one) >= difference(other)), "{report}");

    // One that cannot be read is an error by its name; where it lies stays on the machine.
    assert_eq!(ask("gone", 1, 2).code, 204);
    until("it has failed", || now()["last"]["failure"].is_string());
    let failure = now()["last"]["failure"].to_string();
    assert!(failure.contains("version 1 cannot judge gone"), "{failure}");
    assert!(!failure.contains("secret") && !failure.contains(&dir.path().display().to_string()), "{failure}");

    // While two are compared no bank is made, and one may be released and taken back.
    assert_eq!(ask("long", 2, 1).code, 204);
    until("frames are judged by the first", || now()["now"]["frames"].as_u64() > Some(0));
    assert_eq!((&now()["now"]["version"], &now()["now"]["of_frames"]), (&json!(2), &Value::Null));
    assert!(ask("night", 1, 2).text().contains("compared at this moment"));
    let why = json!({ "reason": "a test" });
    let made = admin.post("/api/lines/belt/banks", &why);
    assert!(made.code == 409 && made.text().contains("compared at this moment"), "{}", made.text());
    assert_eq!(admin.post("/api/lines/belt/banks/2/release", &why).code, 204);
    assert_eq!(admin.post("/api/lines/belt/rollback", &why).code, 204);
    assert_eq!(admin.ask("DELETE", COMPARE, &[]).code, 204);
    until("it is given up", || now()["last"]["failure"] == "given up" && now()["now"].is_null());

    // All of it is written down, and the pipeline was not started again.
    let audit = admin.get("/api/audit").json();
    let entries = audit.as_array().expect("entries").iter().filter(|entry| entry["what"] == "compare");
    let details: Vec<&str> = entries.filter_map(|entry| entry["detail"].as_str()).collect();
    assert_eq!(details.len(), 4, "{details:?}");
    assert!(details.contains(&"belt: versions 1 and 2 on night") && details.contains(&"belt: given up"));
    assert_eq!(station.metric(&admin, "snarm_restarts_total"), 0.0);
}

#[test]
fn what_was_judged_is_scored_by_the_part_that_the_line_looks_at() {
    let Some(dir) = learned() else { return };
    let part = "0,0,0.5,1";
    let more = format!("detect = {{ quality-gate = false, roi = '{part}' }}\n");
    let station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    until("frames are judged", || admin.get("/api/lines/belt").json()["status"] == "running");
    candidate(&admin);
    let report = admin.get("/api/lines/belt/banks").json()["versions"][0]["report"][0].clone();
    let score = |roi: &str| {
        let find = report["find"].as_i64().expect("a number");
        let detect = format!(
            "detect data/pictures/{find}.png --bank data/banks/2.bank --no-quality-gate --pictures none --roi {roi} --out scored"
        );
        run(dir.path(), &detect, 0);
        let text = std::fs::read_to_string(dir.path().join("scored/results.jsonl")).expect("results");
        let line: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        line["score"].as_f64().expect("a score")
    };
    let after = report["after"].as_f64().expect("a score");
    assert!((score(part) - after).abs() < 1e-6, "expected {}, found {after}", score(part));
    assert!((score("0,0,1,1") - after).abs() > 1e-6, "the whole frame scores the same, {after}");
}
