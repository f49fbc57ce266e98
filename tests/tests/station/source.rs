//! A test of the source of a line: of one that the pipeline has, of one that is over, of one that never was.

use serde_json::{Value, json};

use crate::common::{PASSWORD, SOURCE, Station, learned, until};

#[test]
fn a_source_that_no_pipeline_has_is_opened_and_of_another_it_is_told_what_is_known() {
    let Some(dir) = learned() else { return };
    let over = SOURCE.replace("is-live=true", "num-buffers=30 is-live=true");
    let more = format!(
        "[[line]]\nname = 'over'\nbank = 'part.bank'\nat-end = 'stop'\npipeline = '{over} ! snarmdetect ! fakesink'\n\
         [[line]]\nname = 'none'\nbank = 'part.bank'\n\
         pipeline = 'filesrc location=none.mkv ! decodebin ! videoconvert ! snarmdetect ! fakesink'\n"
    );
    let station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    let status = |line: &str| admin.get(&format!("/api/lines/{line}")).json()["status"].clone();
    let test = |line: &str| -> Value {
        let answer = admin.post(&format!("/api/lines/{line}/source/test"), &json!({}));
        assert_eq!(answer.code, 200, "{line}: {}", answer.text());
        answer.json()
    };
    let told = |test: &Value| -> (bool, String) {
        let findings = test["findings"].as_array().expect("findings");
        let texts: Vec<&str> = findings.iter().filter_map(|each| each["text"].as_str()).collect();
        (findings.iter().all(|each| each["good"] == true), texts.join("; "))
    };

    until("frames are judged", || status("belt") == "running");
    let running = test("belt");
    let (_, text) = told(&running);
    assert!(running["is_running"] == true && text.starts_with("frames of 128 x 96, "), "{running}");

    until("the stream is over", || status("over") == "stopped");
    let tried = test("over");
    let (is_good, text) = told(&tried);
    assert!(tried["is_running"] == false && is_good && text.contains("128 x 96"), "{tried}");
    assert_eq!(status("over"), "stopped", "a test starts no pipeline");

    until("it waits after a failure", || status("none") == "waiting");
    let mut tried = json!(null);
    // It tries again meanwhile.
    until("the source is free", || {
        let answer = admin.post("/api/lines/none/source/test", &json!({}));
        tried = answer.json();
        answer.code == 200
    });
    let (is_good, text) = told(&tried);
    assert!(!is_good && text.contains("none.mkv"), "{tried}");

    // It is for those who may look at the system, and in the list of who did what.
    assert_eq!(admin.post("/api/lines/nowhere/source/test", &json!({})).code, 404);
    let person = json!({ "name": "operator", "role": "operator", "password": PASSWORD });
    assert_eq!(admin.post("/api/people", &person).code, 204);
    let operator = station.sign_in("operator");
    assert_eq!(operator.post("/api/lines/over/source/test", &json!({})).code, 403);
    let audit = admin.get("/api/audit").json();
    let whats =
        audit.as_array().expect("entries").iter().filter(|entry| entry["what"] == "test of the source");
    assert_eq!(whats.count(), 2);
}
