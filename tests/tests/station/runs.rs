//! Runs of a pipeline: what frames, finds and parts are called, when they were captured, and in which light. A player that is
//! told what to find stands for the real one.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::common::{Station, learned, until, with_player};
use crate::outputs::webhook;
use crate::run::target;

/// Stands for `snarm-player watch`: it tells that the light is another, and six results, the fourth of which is an alarm, whose
/// find it tells as well. It ends when it is told to, or when the station is gone.
const PLAYER: &str = r#"#!/usr/bin/env python3
import json, os, socket, threading, time

station = socket.socket(fileno=0)

def tell(head, *parts):
    line = json.dumps({**head, "parts": [len(part) for part in parts]}) + "\n"
    station.sendall(line.encode() + b"".join(parts))

def message(name, **fields):
    tell({"kind": "message", "name": name, "fields": {key.replace("_", "-"): value for key, value in fields.items()}})

def drift(kind, drifting):
    # That of the light has its numbers under two names.
    twice = {"light": 0.5, "light_low": 0.9, "light_high": 1.1} if kind == "light" else {}
    message("snarm-drift", kind=kind, drifting=drifting, value=0.5, low=0.9, high=1.1, **twice)

# A limit says what is to be told.
def obey():
    for line in station.makefile("r"):
        order = json.loads(line)
        limit = order.get("set", {}).get("threshold")
        if limit in ["0.6", "0.7"]:
            drift("light", limit == "0.7")
        if limit in ["0.4", "0.3"]:
            drift("red", limit == "0.4")
        if limit == "0.8":
            message("snarm-bank-loaded", bank_id="another")
        if order.get("stop"):
            break
    os._exit(0)

threading.Thread(target=obey, daemon=True).start()
drift("light", True)
for frame in range(6):
    alarm = frame == 3
    print(json.dumps({"frame-number": frame, "score": 0.9 if alarm else 0.1, "threshold": 0.5, "light": 0.5,
                      "capture-time": 1_700_000_000_000_000_000 + frame * 1_000_000_000,
                      "verdict": "anomalous" if alarm else "normal"}), flush=True)
tell({"kind": "found", "frame": 3, "first": 3, "last": 3}, b"annotated", b"picture", b"map")
while True:
    time.sleep(1)
"#;

/// Of that player.
fn station(dir: &Path, programs: &Path, more: &str) -> Station {
    Station::start_by(&with_player(programs, PLAYER), dir, more)
}

#[test]
fn frames_finds_and_parts_of_each_run_are_told_apart_and_parts_name_their_find() {
    let Some(dir) = learned() else { return };
    let heard = Arc::new(Mutex::new(Vec::<Value>::new()));
    let to = Arc::clone(&heard);
    let address = webhook(move |_, body| {
        to.lock().expect("bodies").push(serde_json::from_slice(body).expect("JSON"));
        true
    });
    let outputs: String = ["frames", "finds", "parts"]
        .map(|what| {
            format!(
                "[[output]]\nkind = 'webhook'\nname = '{what}'\nurl = 'http://{address}/'\nsend = '{what}'\n"
            )
        })
        .concat();
    let programs = tempfile::tempdir_in(target()).expect("a folder");
    let more = format!("parts = {{ by = 'frames', frames = 2 }}\n{outputs}");
    let station = station(dir.path(), programs.path(), &more);
    let admin = station.set_up();
    let parts = || admin.get("/api/lines/belt/parts").json();
    until("the worst part of the first run names its find", || parts()[1]["find"].is_i64());
    assert_eq!(admin.post("/api/lines/belt/restart", &json!({})).code, 204);
    until("the worst part of the second run names its find", || {
        parts().as_array().is_some_and(|all| all.len() == 6 && all[1]["find"].is_i64())
    });
    let all = parts();
    for (at, run, first) in [(5, 1, 0), (4, 1, 2), (3, 1, 4), (2, 2, 0), (1, 2, 2), (0, 2, 4)] {
        let part = &all[at];
        assert_eq!((&part["first"], &part["last"]), (&json!(first), &json!(first + 1)), "{part}");
        for name in ["first_run", "last_run", "frame_run"] {
            assert_eq!(part[name], run, "{name} {part}");
        }
        assert_eq!(part["captured"], 1_700_000_000_000_i64 + 1000 * first, "{part}");
        assert_eq!(part["find"].is_i64(), first == 2, "{part}");
    }
    assert_ne!(all[1]["find"], all[4]["find"]);
    let find = admin.get(&format!("/api/finds/{}", all[1]["find"])).json();
    assert_eq!((&find["run"], &find["frame"]), (&json!(2), &json!(3)), "{find}");
    let line = admin.get("/api/lines/belt").json();
    assert_eq!((&line["run"], &line["captured"]), (&json!(2), &json!(1_700_000_005_000_i64)), "{line}");

    // Messages have the same numbers.
    let told = |is_wanted: &dyn Fn(&Value) -> bool| {
        heard.lock().expect("bodies").iter().filter(|body| is_wanted(body)).cloned().collect::<Vec<_>>()
    };
    let frames =
        || told(&|body| body["score"].is_f64() && body["number"].is_null() && body["find"].is_null());
    let finds = || told(&|body| body["find"].is_i64());
    let sent = || told(&|body| body["number"].is_i64());
    until("all is sent", || (frames().len(), finds().len(), sent().len()) == (12, 2, 6));
    let runs = |all: &[Value], name: &str| all.iter().map(|body| body[name].as_i64()).collect::<Vec<_>>();
    assert_eq!(runs(&frames(), "run"), [[Some(1); 6], [Some(2); 6]].concat());
    assert_eq!(
        (runs(&finds(), "run"), runs(&sent(), "frame_run")),
        (vec![Some(1), Some(2)], vec![Some(1), Some(1), Some(1), Some(2), Some(2), Some(2)])
    );
    for body in frames().iter().chain(&finds()).chain(&sent()) {
        let captured = body["captured"].as_i64().expect("a time");
        assert!(body["time"].as_i64().expect("a time") > captured && captured >= 1_700_000_000_000, "{body}");
    }
}

#[test]
fn the_light_lamp_warns_while_the_detector_says_that_the_light_is_another() {
    let Some(dir) = learned() else { return };
    let programs = tempfile::tempdir_in(target()).expect("a folder");
    let station = station(dir.path(), programs.path(), "");
    let admin = station.set_up();
    let lamp = || {
        let lamps = admin.get("/api/lines/belt").json()["lamps"].clone();
        let lamp = lamps.as_array().expect("lamps").iter().find(|lamp| lamp["name"] == "light").cloned();
        lamp.expect("a lamp of the light")
    };
    let limit = |threshold: f64| {
        let body = json!({ "threshold": threshold, "low": null, "reason": "a test" });
        assert_eq!(admin.post("/api/lines/belt/limits", &body).code, 204);
    };
    until("it warns", || lamp()["light"] == "warning");
    let said = |kind: &str| format!("{kind} 0.50 of what was usual when learned, where it was 0.90 to 1.10");
    assert_eq!(lamp()["text"], said("light"));
    // Each kind comes and goes by itself.
    limit(0.4);
    until("red drifts as well", || lamp()["text"] == format!("{}; {}", said("light"), said("red")));
    limit(0.3);
    until("red came back", || lamp()["text"] == said("light"));
    assert_eq!(lamp()["light"], "warning");
    limit(0.6);
    until("the light came back", || lamp()["light"] == "good");
    limit(0.7);
    until("it warns again", || lamp()["light"] == "warning");
    limit(0.8);
    until("another bank is loaded", || lamp()["light"] == "good");
}
