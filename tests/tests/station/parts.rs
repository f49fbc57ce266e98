//! One verdict for each part: by messages, by frames, kept through restarts, sent once.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::common::{ADMIN, SOURCE, Station, Visitor, learned, until};
use crate::outputs::{Broker, free_port, modbus, publish, webhook};

fn parts(visitor: &Visitor, line: &str) -> Vec<Value> {
    let parts = visitor.get(&format!("/api/lines/{line}/parts")).json();
    parts.as_array().expect("parts").iter().cloned().map(without_find).collect()
}

/// A part without its worst find, which may be stored later than the part.
fn without_find(mut part: Value) -> Value {
    part["find"] = json!(null);
    part
}

#[test]
fn frames_between_two_messages_are_one_part_though_the_station_is_killed() {
    let Some(dir) = learned() else { return };
    let more = format!(
        "trigger = 'gpio'\n[line.parts]\nby = 'message'\n[[line]]\nname = 'bare'\nbank = 'part.bank'\npipeline = '{SOURCE} ! snarmdetect ! fakesink'\n"
    );
    std::fs::write(dir.path().join("gpio"), "0\n").expect("a file");
    let mut station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    let begin = |visitor: &Visitor, body: Value| visitor.post("/api/lines/belt/part", &body);
    until("frames are judged", || admin.get("/api/lines/belt").json()["status"] == "running");
    assert!(parts(&admin, "belt").is_empty(), "no message came yet");
    assert_eq!(begin(&admin, json!({ "part": "A1", "lot": "L7" })).code, 204);
    until("frames are joined", || parts(&admin, "belt")[0]["frames"].as_i64() > Some(2));
    // It is stored, and goes on.
    station.kill();
    let station = Station::start(dir.path(), &more);
    let admin = station.sign_in(ADMIN);
    let before = parts(&admin, "belt")[0].clone();
    assert_eq!(
        (&before["part"], &before["lot"], &before["ended"]),
        (&json!("A1"), &json!("L7"), &json!(null))
    );
    until("more frames are joined", || {
        parts(&admin, "belt")[0]["frames"].as_i64() > before["frames"].as_i64()
    });
    assert_eq!(begin(&admin, json!({ "part": "A2" })).code, 204);
    let now = parts(&admin, "belt");
    assert_eq!((&now[0]["part"], &now[0]["lot"], &now[0]["number"]), (&json!("A2"), &json!("L7"), &json!(2)));
    let ended = &now[1];
    assert!(
        ended["ended"].as_i64() >= ended["begun"].as_i64() && ended["score"].as_f64() >= Some(0.0),
        "{ended}"
    );
    assert!(
        ["normal", "uncertain", "anomalous"].contains(&ended["verdict"].as_str().expect("a word")),
        "{ended}"
    );
    assert_eq!(&without_find(admin.get("/api/lines/belt/parts/1").json()), ended);
    let line = admin.get("/api/lines/belt").json();
    assert_eq!(
        (without_find(line["parts"]["last"].clone()), &line["shift"]["parts"]),
        (ended.clone(), &json!(1))
    );
    assert_eq!(begin(&admin, json!({})).code, 204);
    assert!(admin.get("/api/lines/belt").json()["parts"]["open"].is_null());
    // A pulse of the trigger begins a part without a name, in the lot that was said last.
    let gpio = |value: &str| {
        let file = std::fs::File::options().write(true).open(dir.path().join("gpio"));
        std::io::Write::write_all(&mut file.expect("a file"), value.as_bytes()).expect("it is written");
    };
    gpio("1");
    until("a part begins", || admin.get("/api/lines/belt").json()["parts"]["open"]["number"] == 3);
    let open = admin.get("/api/lines/belt").json()["parts"]["open"].clone();
    assert_eq!((&open["part"], &open["lot"]), (&json!(null), &json!("L7")));
    gpio("0");
    assert_eq!(begin(&admin, json!({})).code, 204);
    // What makes no sense is refused, and who may only look begins no part.
    for (body, code) in [(json!({ "part": "" }), 409), (json!({ "name": "A3" }), 422)] {
        assert_eq!(begin(&admin, body.clone()).code, code, "{body}");
    }
    assert_eq!(admin.post("/api/lines/bare/part", &json!({ "part": "A" })).code, 409);
    assert_eq!(admin.get("/api/lines/belt/parts/9").code, 404);
    assert_eq!(begin(&station.stranger(), json!({ "part": "A3" })).code, 401);
    assert!(admin.get("/api/lines/bare").json()["parts"].is_null());
    let described = admin.get("/api/openapi.json").json();
    assert!(described["paths"]["/api/lines/{line}/part"]["post"].is_object());
}

#[test]
fn every_part_is_sent_once_with_its_frames() {
    let Some(dir) = learned() else { return };
    let got = Arc::new(Mutex::new(Vec::<Value>::new()));
    let to = Arc::clone(&got);
    let address = webhook(move |_, body| {
        to.lock().expect("parts").push(serde_json::from_slice(body).expect("JSON"));
        true
    });
    let more = format!(
        "[line.parts]\nby = 'frames'\nframes = 3\n[[output]]\nkind = 'webhook'\nname = 'mes'\n\
         url = 'http://{address}/part'\nsend = 'parts'\n"
    );
    let station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    assert_eq!(admin.post("/api/lines/belt/part", &json!({ "part": "A" })).code, 409, "frames are counted");
    until("parts come", || got.lock().expect("parts").len() >= 4);
    let got = got.lock().expect("parts").clone();
    for (at, part) in got.iter().enumerate() {
        let number = |name: &str| part[name].as_i64().expect("a number");
        let at = at as i64;
        assert_eq!((number("id"), number("number"), number("frames")), (at + 1, at + 1, 3), "{part}");
        assert_eq!((number("first"), number("last")), (3 * at, 3 * at + 2), "{part}");
        assert!(
            (3 * at..3 * at + 3).contains(&number("frame")) && number("time") >= number("begun"),
            "{part}"
        );
        assert_eq!(part["line"], "belt");
    }
}

#[test]
fn a_plc_begins_parts_and_reads_the_verdict_of_the_one_that_ended() {
    let Some(dir) = learned() else { return };
    let (port, read_only) = (free_port(), free_port());
    let more = format!(
        "[line.parts]\nby = 'message'\n[[line]]\nname = 'bare'\nbank = 'part.bank'\npipeline = '{SOURCE} ! snarmdetect ! fakesink'\n\
         [[output]]\nkind = 'modbus'\nname = 'plc'\nlisten = '127.0.0.1:{port}'\nparts = true\n\
         [[output]]\nkind = 'modbus'\nname = 'screen'\nlisten = '127.0.0.1:{read_only}'\n"
    );
    let station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    until("frames are judged", || admin.get("/api/lines/belt").json()["status"] == "running");
    let read = || -> Vec<u16> {
        let answer = modbus(port, &[4, 0, 0, 0, 20]);
        assert_eq!(answer[..2], [4, 40], "{answer:?}");
        answer[2..].chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect()
    };
    let write = |value: u8| modbus(port, &[6, 0, 19, 0, value]);
    assert_eq!(read()[13..18], [0, 0, 0, 0, 0][..], "no part has ended: {:?}", read());
    // A rise begins a part; what stays up begins none.
    for value in [1, 1, 2] {
        assert_eq!(write(value), [6, 0, 19, 0, value]);
    }
    let open = || admin.get("/api/lines/belt").json()["parts"]["open"].clone();
    assert_eq!((&open()["number"], &open()["part"], read()[19]), (&json!(1), &json!(null), 2));
    until("frames are joined", || open()["frames"].as_i64() > Some(1));
    let results = read()[18];
    until("more results come", || read()[18] != results);
    assert_eq!((write(0), write(1)), (vec![6, 0, 19, 0, 0], vec![6, 0, 19, 0, 1]));
    assert_eq!(open()["number"], 2);
    let (now, ended) = (read(), admin.get("/api/lines/belt/parts/1").json());
    assert_eq!(now[13..15], [0, 1]);
    let words = ["unknown", "normal", "uncertain", "anomalous"];
    assert_eq!(Some(words[usize::from(now[15])]), ended["verdict"].as_str(), "{ended}");
    let score = (ended["score"].as_f64().expect("a score") * 10_000.0).round();
    assert_eq!(f64::from(now[16]), score);
    // No recipes, a line whose parts no message begins, no such register, and nothing to write at all.
    for (address, exception) in [(12, 2), (39, 2), (18, 2), (59, 2)] {
        assert_eq!(modbus(port, &[6, 0, address, 0, 1]), [0x86, exception], "{address}");
    }
    assert_eq!(modbus(read_only, &[6, 0, 19, 0, 1]), [0x86, 1]);
    assert_eq!(open()["number"], 2);
}

#[test]
fn a_broker_begins_parts_with_their_lots_and_what_it_had_kept_begins_none() {
    let Some(dir) = learned() else { return };
    let port = free_port();
    let Some(_broker) = Broker::start(dir.path(), port) else { return };
    publish(port, "plant/belt/part", "{\"part\":\"old\",\"lot\":\"L1\"}", &["-r"]);
    // Parts that ended go to the same topic, and come back.
    let more = format!(
        "[line.parts]\nby = 'message'\n[[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {port}\n\
         topic = 'plant'\nsend = 'parts'\nparts = true\n"
    );
    let station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    let log = |words: &str| admin.get("/api/system").json()["log"].to_string().contains(words);
    until("frames are judged, and the broker is there", || {
        admin.get("/api/lines/belt").json()["status"] == "running"
            && station.metric(&admin, "snarm_output_up") == 1.0
    });
    let open = || admin.get("/api/lines/belt").json()["parts"]["open"].clone();
    let begins = |text: &str, part: &str| {
        until(part, || {
            // A subscription is made a moment after the broker was reached.
            if open()["part"] != part {
                publish(port, "plant/belt/part", text, &[]);
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            open()["part"] == part
        });
    };
    begins("{\"part\":\"A1\",\"lot\":\"L7\"}", "A1");
    begins("{\"part\":\"A2\"}", "A2");
    assert_eq!(open()["lot"], "L7");
    let all = parts(&admin, "belt");
    assert!(all.iter().all(|part| part["part"] != "old"), "{all:?}");
    // What makes no sense is told in the log, and changes nothing.
    publish(port, "plant/belt/part", "A3", &[]);
    publish(port, "plant/nothing/part", "{}", &[]);
    until("both are refused", || log("expected {\\\"part\\\"") && log("expected the name of a line"));
    assert_eq!(open()["part"], "A2");
    assert!(!log("found other names"), "its own messages are no mistake of others");
}
