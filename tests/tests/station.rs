//! `snarm station` from outside: the real binary, real pipelines, a real broker where there is one. Nothing
//! but this machine is spoken to.

#![expect(clippy::expect_used, reason = "helpers of tests fail and speak as tests do")]

#[path = "station/browser.rs"]
mod browser;
#[path = "station/common.rs"]
mod common;
#[path = "station/compare.rs"]
mod compare;
#[path = "station/hub.rs"]
mod hub;
#[path = "station/kills.rs"]
mod kills;
#[path = "station/learn.rs"]
mod learn;
#[path = "station/load.rs"]
mod load;
#[path = "station/opcua.rs"]
mod opc_ua;
#[path = "station/outputs.rs"]
mod outputs;
#[path = "station/parts.rs"]
mod parts;
#[path = "station/recipes.rs"]
mod recipes;
#[path = "station/refusals.rs"]
mod refusals;
#[path = "cli/run.rs"]
mod run;
#[path = "station/runs.rs"]
mod runs;
#[path = "station/shadow.rs"]
mod shadow;
#[path = "station/source.rs"]
mod source;
#[path = "station/tls.rs"]
mod tls;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use common::{ADMIN, Station, learned, until};

/// Limits under which every frame is an alarm.
const ALARMS: f64 = 0.0;

#[test]
fn a_false_alarm_becomes_a_candidate_that_is_released_and_rolled_back() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let admin = station.set_up();
    let line = |admin: &common::Visitor| admin.get("/api/lines/belt").json();
    until("frames are judged", || line(&admin)["shift"]["frames"].as_u64() > Some(3));
    assert_eq!(line(&admin)["bank"], 1);

    // What each rule makes of the bank is there beside the scores.
    let limits = admin.get("/api/lines/belt/limits").json();
    let rules: Vec<&str> =
        limits["rules"].as_array().expect("rules").iter().filter_map(|rule| rule["name"].as_str()).collect();
    assert_eq!(rules[..4], ["bank", "sigma 3", "fpr 0.01", "fpr 0.001"], "{limits}");
    assert!(rules[4].starts_with("events 1 an hour at ") && rules.len() == 5, "{limits}");
    assert_eq!(limits["rules"][0]["threshold"], limits["bank"]);

    // Limits change while the line runs; a reason is asked for.
    let refused =
        admin.post("/api/lines/belt/limits", &json!({ "threshold": ALARMS, "low": null, "reason": " " }));
    assert_eq!(refused.code, 400, "{}", refused.text());
    let body = json!({ "threshold": ALARMS, "low": null, "reason": "to see alarms" });
    assert_eq!(admin.post("/api/lines/belt/limits", &body).code, 204);
    until("alarms are found", || admin.get("/api/lines/belt/queue").json()["waiting"].as_u64() > Some(1));
    let restarts = |station: &Station| station.metric(&admin, "snarm_restarts_total");
    assert_eq!(restarts(&station), 0.0);

    // The queue has the worst first, with pictures and the result of their frame.
    let queue = admin.get("/api/lines/belt/queue").json();
    let finds = queue["finds"].as_array().expect("finds");
    let scores: Vec<f64> = finds.iter().map(|find| find["score"].as_f64().expect("a score")).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let id = finds[0]["id"].as_i64().expect("a number");
    assert_eq!(finds[0]["record"]["frame-number"], finds[0]["frame"]);
    for (kind, magic) in [("annotated", &b"\xff\xd8"[..]), ("frame", b"\x89PNG"), ("map", b"P5\n")] {
        let picture = admin.get(&format!("/api/finds/{id}/{kind}"));
        assert!(picture.code == 200 && picture.body.starts_with(magic), "{kind}: {}", picture.code);
    }

    // It is shown beside what the bank knows; this bank was learned elsewhere, and names its frames alone.
    let nearest = admin.get(&format!("/api/finds/{id}/nearest"));
    assert_eq!(nearest.code, 200, "{}", nearest.text());
    let near = nearest.json()["places"][0]["nearest"][0].clone();
    let name = near["name"].as_str().expect("a name");
    assert!(name.starts_with("frame ") && name.ends_with(" s") && near["picture"].is_null(), "{near}");

    // Nothing was judged good: there is no candidate to make.
    let why = json!({ "reason": "false alarms" });
    assert_eq!(admin.post("/api/lines/belt/banks", &why).code, 409);
    let judged = admin.post(&format!("/api/finds/{id}/judgement"), &json!({ "judgement": "good" }));
    assert_eq!((judged.code, &judged.json()["judgement"]), (200, &json!("good")));
    assert_eq!(admin.post("/api/lines/belt/undo", &json!({})).json()["judgement"], json!(null));
    assert_eq!(admin.post("/api/lines/belt/undo", &json!({})).code, 404);
    assert_eq!(admin.post(&format!("/api/finds/{id}/judgement"), &json!({ "judgement": "good" })).code, 200);

    // What was judged is exported as a data set.
    let out = exported(&admin, "belt", dir.path());
    let table = std::fs::read_to_string(out.join("finds.csv")).expect("a table");
    assert!(
        table
            .lines()
            .nth(1)
            .is_some_and(|row| row.starts_with(&format!("{id},test/good/{id}.png,good,\"ann\","))),
        "{table}"
    );
    let picture = std::fs::read(out.join(format!("test/good/{id}.png"))).expect("a picture");
    assert_eq!(picture, admin.get(&format!("/api/finds/{id}/frame")).body);
    assert!(out.join("train/good").is_dir() && table.lines().count() == 2, "{table}");

    // The candidate is no running bank until it is released; the pipeline takes it without a restart.
    let made = admin.post("/api/lines/belt/banks", &why);
    assert_eq!(made.code, 200, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["version"], &made["parent"], &made["running"]), (&json!(2), &json!(1), &json!(false)));
    assert_eq!(made["report"][0]["find"], id);
    let before = made["report"][0]["before"].as_f64().expect("a score");
    assert!(made["report"][0]["after"].as_f64().expect("a score") < before, "{made}");
    assert_eq!(line(&admin)["bank"], 1);
    let released = admin.post("/api/lines/belt/banks/2/release", &json!({ "reason": "fewer alarms" }));
    assert_eq!(released.code, 204, "{}", released.text());
    assert_eq!(line(&admin)["bank"], 2);
    assert_eq!(admin.post("/api/lines/belt/rollback", &json!({ "reason": "as before" })).code, 204);
    assert_eq!((line(&admin)["bank"].as_i64(), restarts(&station)), (Some(1), 0.0));
    assert_eq!(admin.post("/api/lines/belt/banks/9/release", &why).code, 409);

    // Who did what is written down.
    let audit = admin.get("/api/audit").json();
    let whats: Vec<&str> =
        audit.as_array().expect("entries").iter().filter_map(|e| e["what"].as_str()).collect();
    for what in ["person", "sign in", "limits", "judge", "undo", "bank", "release"] {
        assert!(whats.contains(&what), "{what} in {whats:?}");
    }
    assert!(audit.as_array().expect("entries").iter().any(|entry| entry["who"] == ADMIN));

    // A second start goes on with bank, limits and people.
    drop(station);
    let station = Station::start(dir.path(), "");
    let admin = station.sign_in(ADMIN);
    until("frames are judged again", || line(&admin)["status"] == "running");
    assert_eq!((&line(&admin)["bank"], &line(&admin)["threshold"]), (&json!(1), &json!(ALARMS)));
}

#[test]
fn a_find_is_shown_beside_the_good_patches_of_the_frames_that_were_learned() {
    let Some(dir) = learned() else { return };
    let good = common::SOURCE.replace("is-live=true", "num-buffers=9");
    let line = format!(
        "[[line]]\nname = 'learns'\npipeline = '{} ! snarmdetect ! fakesink'\n[line.learn]\nsource = '{good}'\n",
        common::SOURCE
    );
    let station = Station::start(dir.path(), &line);
    let admin = station.set_up();
    until("frames are judged", || admin.get("/api/lines/learns").json()["status"] == "running");
    let body = json!({ "threshold": ALARMS, "low": null, "reason": "to see alarms" });
    assert_eq!(admin.post("/api/lines/learns/limits", &body).code, 204);
    let queue = || admin.get("/api/lines/learns/queue").json()["finds"].clone();
    until("alarms are found", || queue()[0]["id"].is_i64());
    let find = format!("/api/finds/{}/nearest", queue()[0]["id"]);
    let nearest = admin.get(&find).json();
    let place = &nearest["places"][0];
    let near = place["nearest"].as_array().expect("patches");
    assert_eq!(near.len(), 3, "{nearest}");
    for each in near {
        assert!(each["name"].as_str().is_some_and(|name| name.starts_with("frame ")), "{each}");
        assert!(each["patch"]["w"].as_f64().is_some_and(|w| w > 0.0), "{each}");
    }
    for picture in near.iter().chain([place]).map(|each| each["picture"].as_str().expect("a picture")) {
        let cut = admin.get(&format!("{find}/{picture}"));
        assert!(cut.code == 200 && cut.body.starts_with(b"\x89PNG"), "{picture}: {}", cut.code);
    }
    // It is looked up once; nothing else is served there.
    assert_eq!(admin.get(&find).json(), nearest);
    for name in ["nearest.json", "9.png", "..%2f1.png", "a.png"] {
        assert_eq!(admin.get(&format!("{find}/{name}")).code, 404, "{name}");
    }
    assert_eq!(admin.get("/api/finds/999999/nearest").code, 404);

    // What was learned and judged is a data set, of which the command finds every picture.
    until("two alarms are found", || queue()[1]["id"].is_i64());
    let finds = queue();
    for (at, judgement) in ["good", "bad"].into_iter().enumerate() {
        let path = format!("/api/finds/{}/judgement", finds[at]["id"]);
        assert_eq!(admin.post(&path, &json!({ "judgement": judgement })).code, 200);
    }
    let out = exported(&admin, "learns", dir.path());
    let learned = std::fs::read_dir(out.join("train/good")).expect("a folder").count();
    assert!(learned >= 2, "{learned}");
    let data = out.parent().expect("a folder").display().to_string();
    let line = format!(
        "eval --data {data} --categories learns --capacity 200 --encoder snarm-tiny-1@24 --json read.json"
    );
    run::run(dir.path(), &line, 0);
    let read = std::fs::read_to_string(dir.path().join("read.json")).expect("results");
    let read: serde_json::Value = serde_json::from_str(&read).expect("JSON");
    let images = read["categories"]["learns"]["images"].as_array().expect("images");
    let kinds: Vec<&str> = images.iter().filter_map(|image| image["kind"].as_str()).collect();
    assert_eq!(kinds.len(), 2, "{read}");
    assert!(kinds.contains(&"good") && kinds.contains(&"bad"), "{kinds:?}");
}

/// What was judged of a line, unzipped below the folder.
fn exported(visitor: &common::Visitor, line: &str, dir: &Path) -> PathBuf {
    let zip = visitor.get(&format!("/api/lines/{line}/export"));
    assert_eq!((zip.code, zip.header("content-type")), (200, Some("application/zip")));
    std::fs::write(dir.join("export.zip"), &zip.body).expect("a file");
    let unzip =
        "import zipfile; z = zipfile.ZipFile('export.zip'); assert z.testzip() is None; z.extractall('out')";
    let unzipped = Command::new("python3").args(["-c", unzip]).current_dir(dir).status();
    assert!(unzipped.expect("python3 starts").success());
    dir.join("out").join(line)
}

#[test]
fn a_pipeline_that_is_killed_is_started_again_and_none_outlives_its_station() {
    let Some(dir) = learned() else { return };
    let mut station = Station::start(dir.path(), "");
    let admin = station.set_up();
    until("frames are judged", || admin.get("/api/lines/belt").json()["status"] == "running");
    let children = station.children();
    assert_eq!(children.len(), 1, "{children:?}");
    kill("-9", children[0]);
    until("it is started again", || {
        station.metric(&admin, "snarm_restarts_total") == 1.0
            && admin.get("/api/lines/belt").json()["status"] == "running"
    });
    let again = station.children();
    assert!(again.len() == 1 && again != children, "{again:?}");

    // Killed, the station can do nothing more; its pipeline notices by itself.
    station.kill();
    until("the pipeline has ended", || !is_running(again[0]));

    // Asked to end, it ends its pipeline.
    let station = Station::start(dir.path(), "");
    until("it runs", || station.children().len() == 1);
    let child = station.children()[0];
    drop(station);
    assert!(!is_running(child));
}

#[test]
fn each_signal_that_asks_for_the_end_ends_the_pipelines_first() {
    let Some(dir) = learned() else { return };
    for signal in ["HUP", "TERM", "INT"] {
        let station = Station::start(dir.path(), "");
        until("it runs", || station.children().len() == 1);
        let child = station.children()[0];
        assert_eq!(station.end(signal), Some(0), "{signal}");
        assert!(!is_running(child), "{signal}");
    }
}

#[test]
fn a_live_picture_is_made_while_somebody_looks_on() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let admin = station.set_up();
    until("frames are judged", || admin.get("/api/lines/belt").json()["status"] == "running");
    let live = admin.begin("/api/lines/belt/live", b"\xff\xd8");
    assert!(live.contains("multipart/x-mixed-replace; boundary="), "{live}");
    let events = admin.begin("/api/lines/belt/events", b"\"lamps\"");
    assert!(events.contains("text/event-stream") && events.contains("event: state"), "{events}");
}

#[test]
fn health_is_told_of_lines_that_judge_or_are_over_and_not_of_broken_or_silent_ones() {
    let Some(dir) = learned() else { return };
    let line = |name: &str, source: &str, end: &str| {
        format!(
            "[[line]]\nname = '{name}'\nbank = 'part.bank'\nat-end = '{end}'\n\
             pipeline = '{source} ! snarmdetect ! fakesink'\n"
        )
    };
    let over = line("over", &common::SOURCE.replace("is-live=true", "num-buffers=4"), "stop");
    let station = Station::start(dir.path(), &over);
    let admin = station.set_up();
    let status = |name: &str| admin.get(&format!("/api/lines/{name}")).json()["status"].clone();
    until("one runs, and one is over", || status("belt") == "running" && status("over") == "stopped");
    let health = station.stranger().get("/healthz");
    assert_eq!((health.code, health.json()), (200, json!({ "lines": 2, "well": 2, "lost": 0 })));
    drop(station);
    // A frame each ten seconds: it runs, and is silent in between.
    let silent = line("silent", &common::SOURCE.replace("5/1", "1/10"), "again");
    let broken = line("broken", "filesrc location=/nowhere ! decodebin", "again");
    let station = Station::start(dir.path(), &format!("{over}{silent}{broken}"));
    let admin = station.sign_in(ADMIN);
    let line = |name: &str| admin.get(&format!("/api/lines/{name}")).json();
    until("one is silent, and one waits", || {
        let (silent, health) = (line("silent"), station.stranger().get("/healthz"));
        let is_red = silent["lamps"].to_string().contains("no frame for");
        assert!(health.code == 503, "a line that cannot start is not well: {}", health.text());
        silent["status"] == "running"
            && is_red
            && line("over")["status"] == "stopped"
            && line("belt")["status"] == "running"
            && health.json() == json!({ "lines": 4, "well": 2, "lost": 0 })
    });
}

#[test]
fn the_demo_needs_no_configuration_and_its_first_pages_come_at_once() {
    let Some(dir) = learned() else { return };
    let station = Station::demo(dir.path());
    let demo = station.enter();
    let line = demo.get("/api/lines/demo").json();
    assert!(
        ["preparing", "starting", "running"].contains(&line["status"].as_str().expect("a word")),
        "{line}"
    );
    assert_eq!(demo.get("/api/me").json()["role"], "admin");
    assert_eq!(demo.get("/").code, 200);
}

#[test]
fn a_configuration_that_makes_no_sense_is_told_by_line_and_key() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("station.toml"), "data = 'd'\n[[line]]\nname = 'a'\npipelin = 'x'\n")
        .expect("a file");
    let output = run::run(dir.path(), "station station.toml", 1);
    let text = run::stderr(&output);
    for word in ["station.toml", "line 4", "pipelin", "expected one of"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

fn kill(signal: &str, process: u32) {
    let status = Command::new("kill").args([signal, &process.to_string()]).status().expect("kill starts");
    assert!(status.success());
}

/// Whether a process runs. One that ended and was not waited for does not.
fn is_running(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}
