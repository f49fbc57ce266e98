//! A version of the bank beside the one in use: both judge the same frames, and only what the one in use says goes out.

use serde_json::{Value, json};

use crate::common::{ADMIN, PASSWORD, Station, Visitor, learned, until};

const SHADOW: &str = "/api/lines/belt/shadow";

/// Every frame has a verdict, wherever the ball is.
const DETECTOR: &str = "snarmdetect quality-gate=false";

fn line(visitor: &Visitor) -> Value {
    visitor.get("/api/lines/belt").json()
}

fn limit(visitor: &Visitor, threshold: f64) {
    let body = json!({ "threshold": threshold, "low": null, "reason": "a test" });
    assert_eq!(visitor.post("/api/lines/belt/limits", &body).code, 204);
}

fn set(visitor: &Visitor, version: i64) -> u16 {
    let why = json!({ "reason": "fewer alarms" });
    visitor.post(&format!("/api/lines/belt/banks/{version}/shadow"), &why).code
}

/// Makes version 2, which learned a frame. Returns what both versions say of that frame.
pub(crate) fn candidate(admin: &Visitor) -> Value {
    limit(admin, 0.0);
    let queue = || admin.get("/api/lines/belt/queue").json()["finds"].clone();
    until("alarms are found", || queue()[0]["id"].is_i64());
    let good = json!({ "judgement": "good" });
    assert_eq!(admin.post(&format!("/api/finds/{}/judgement", queue()[0]["id"]), &good).code, 200);
    let made = admin.post("/api/lines/belt/banks", &json!({ "reason": "false alarms" }));
    assert_eq!(made.code, 200, "{}", made.text());
    made.json()["report"][0].clone()
}

/// As [`candidate`]; returns the limit between what both versions say.
fn between(admin: &Visitor) -> f64 {
    let report = candidate(admin);
    let score = |name: &str| report[name].as_f64().expect("a score");
    assert!(score("after") < score("before"), "{report}");
    (score("after") + score("before")) / 2.0
}

#[test]
fn a_shadow_judges_the_same_frames_and_changes_nothing() {
    let Some(dir) = learned() else { return };
    let station = Station::start_with(dir.path(), DETECTOR, "");
    let admin = station.set_up();
    until("frames are judged", || line(&admin)["status"] == "running");
    let between = between(&admin);
    let digest = admin.get("/api/lines/belt/banks").json()["versions"][1]["digest"].clone();
    let shadow = || admin.get(SHADOW).json();
    let count = |name: &str| shadow()[name].as_i64().expect("a count");

    // What makes no sense is refused, and so is who may not release a bank.
    assert!(shadow().is_null() && admin.ask("DELETE", SHADOW, &[]).code == 404);
    assert_eq!((set(&admin, 1), set(&admin, 9)), (409, 409));
    assert_eq!(admin.post("/api/lines/belt/banks/2/shadow", &json!({ "reason": " " })).code, 400);
    let person = json!({ "name": "bob", "role": "operator", "password": PASSWORD });
    assert_eq!(admin.post("/api/people", &person).code, 204);
    let operator = station.sign_in("bob");
    assert_eq!((set(&operator, 2), operator.ask("DELETE", SHADOW, &[]).code), (403, 403));
    assert!(operator.get(SHADOW).json().is_null());

    // The frame that version 2 learned is an alarm by version 1 alone.
    limit(&admin, between);
    let before = station.children();
    assert_eq!(set(&admin, 2), 204);
    until("both judge frames, and differ", || shadow()["only_running"].as_i64() > Some(0));
    let now = shadow();
    assert_eq!(
        (&now["version"], &now["author"], &now["reason"]),
        (&json!(2), &json!(ADMIN), &json!("fewer alarms"))
    );
    let parts = ["both_pass", "both_alarm", "only_running", "only_shadow"];
    let sum: i64 = parts.iter().map(|name| now[*name].as_i64().expect("a count")).sum();
    assert_eq!(now["frames"], sum);
    let alone = now["differing"]
        .as_array()
        .expect("frames")
        .iter()
        .find(|each| each["running"]["verdict"] == "anomalous");
    let alone = alone.expect("a frame that only version 1 has an alarm of");
    let score = |of: &str, name: &str| alone[of][name].as_f64().expect("a number");
    for of in ["running", "shadow"] {
        assert!((score(of, "threshold") - between).abs() < 1e-9, "{alone}");
    }
    assert!(score("running", "score") >= between && score("shadow", "score") < between, "{alone}");
    for each in now["differing"].as_array().expect("frames") {
        if let Some(find) = each["find"].as_i64() {
            assert_eq!(admin.get(&format!("/api/finds/{find}")).json()["frame"], each["frame"]);
        }
    }
    let described = admin.get("/api/openapi.json").json();
    assert!(described["paths"][SHADOW.replace("belt", "{line}")]["delete"].is_object());
    let versions = admin.get("/api/lines/belt/banks").json()["versions"].clone();
    assert_eq!((&versions[0]["shadow"], &versions[1]["shadow"]), (&json!(true), &json!(false)));

    // New limits hold for both. Finds are those of the bank in use.
    let waiting = || admin.get("/api/lines/belt/queue").json()["waiting"].as_u64();
    let (alarms, found) = (count("both_alarm"), waiting());
    limit(&admin, 0.0);
    until("both have alarms", || count("both_alarm") > alarms);
    until("more is found", || waiting() > found);
    for find in admin.get("/api/lines/belt/queue").json()["finds"].as_array().expect("finds") {
        assert_eq!(find["record"]["bank-id"], digest);
    }

    // Its end is noticed by nobody on the line.
    let children = station.children();
    assert_ne!(children, before, "the pipeline began anew with the shadow");
    assert_eq!((admin.ask("DELETE", SHADOW, &[]).code, shadow()), (204, Value::Null));
    let frames = line(&admin)["shift"]["frames"].as_u64();
    until("frames are judged", || line(&admin)["shift"]["frames"].as_u64() > frames);
    assert_eq!((station.children(), station.metric(&admin, "snarm_restarts_total")), (children, 0.0));
    let told = admin.get("/api/audit").json()[0].clone();
    assert!(told["what"] == "shadow" && told["who"] == ADMIN, "{told}");
    assert!(
        told["detail"].as_str().is_some_and(|text| text.contains("version 2 ends, as asked; of ")),
        "{told}"
    );
}

#[test]
fn a_shadow_outlives_its_station_ends_with_its_release_and_takes_no_line_down() {
    let Some(dir) = learned() else { return };
    let mut station = Station::start_with(dir.path(), DETECTOR, "");
    let admin = station.set_up();
    until("frames are judged", || line(&admin)["status"] == "running");
    candidate(&admin);
    assert_eq!(set(&admin, 2), 204);
    let frames = |admin: &Visitor| admin.get(SHADOW).json()["frames"].as_i64();
    until("both judge frames", || frames(&admin) > Some(1));
    let before = admin.get(SHADOW).json();
    station.kill();
    let station = Station::start_with(dir.path(), DETECTOR, "");
    let admin = station.sign_in(ADMIN);
    assert_eq!(admin.get(SHADOW).json()["since"], before["since"]);
    until("both judge more frames", || frames(&admin) > before["frames"].as_i64());

    // Released, it is no shadow any more; the pipeline goes on.
    let why = json!({ "reason": "it is better" });
    assert_eq!(admin.post("/api/lines/belt/banks/2/release", &why).code, 204);
    assert!(admin.get(SHADOW).json().is_null());
    assert_eq!(
        (line(&admin)["bank"].as_i64(), station.metric(&admin, "snarm_restarts_total")),
        (Some(2), 0.0)
    );

    // One that cannot be read is given up.
    std::fs::write(dir.path().join("data/banks/1.bank"), b"no bank").expect("a file");
    assert_eq!(set(&admin, 1), 204);
    until("the shadow is given up", || admin.get(SHADOW).json().is_null());
    let judged = line(&admin)["shift"]["frames"].as_u64();
    until("frames are judged again", || line(&admin)["shift"]["frames"].as_u64() > judged);
    let audit = admin.get("/api/audit").json();
    let told =
        audit.as_array().expect("entries").iter().find(|entry| entry["what"] == "shadow").expect("an entry");
    assert!(
        told["who"] == "station" && told["detail"].as_str().is_some_and(|text| text.contains("1.bank")),
        "{told}"
    );
}
