//! A line that learns again when somebody asks for it, and who may ask how the station is.

use serde_json::{Value, json};

use crate::common::{ADMIN, PASSWORD, SOURCE, Station, learned, until};

#[test]
fn a_line_learns_until_it_is_enough_or_given_up_and_inspects_again() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), &format!("[line.learn]\nsource = '{SOURCE}'\n"));
    let admin = station.set_up();
    let get = |path: &str| admin.get(&format!("/api/lines/belt{path}")).json();
    let post = |path: &str, body: &Value| admin.post(&format!("/api/lines/belt{path}"), body);
    let inspects = || get("")["status"] == "running";
    until("the line inspects", inspects);
    let known = get("/learn");
    assert_eq!(
        (&known["source"], &known["now"], &known["last"]),
        (&json!(SOURCE), &json!(null), &json!(null))
    );

    // Nothing is learned: there is nothing to end.
    assert_eq!(post("/learn/enough", &json!({})).code, 409);
    assert_eq!(admin.ask("DELETE", "/api/lines/belt/learn", b"").code, 409);
    for wrong in [
        json!({ "reason": " " }),
        json!({ "reason": "a new lamp", "interval": 0 }),
        json!({ "reason": "a new lamp", "max_frames": 2_000_000 }),
    ] {
        assert_eq!(post("/learn", &wrong).code, 400, "{wrong}");
    }

    // Of a live source the frames are enough when somebody says so.
    let wish = json!({ "reason": "a new lamp" });
    assert_eq!(post("/learn", &wish).code, 204);
    assert_eq!(post("/learn", &wish).code, 409, "twice");
    until("frames are learned", || get("/learn")["now"]["frames"].as_u64() > Some(3));
    let now = get("/learn")["now"].clone();
    assert_eq!((&now["author"], &now["reason"]), (&json!(ADMIN), &wish["reason"]));
    assert_eq!(get("")["status"], "preparing");
    assert_eq!(post("/learn/enough", &json!({})).code, 204);
    until("the version is made", || get("/learn")["last"]["version"] == 2);
    until("the line inspects again", inspects);
    let banks = get("/banks");
    let made = &banks["versions"][0];
    assert_eq!(
        (&made["version"], &made["running"], &made["author"], &made["parent"]),
        (&json!(2), &json!(false), &json!(ADMIN), &json!(null))
    );
    assert!(made["frames"].as_u64() > Some(3) && get("")["bank"] == 1, "{made}");
    let pictures = std::fs::read_dir(dir.path().join("data/learned/belt/2")).expect("pictures");
    let time =
        pictures.filter_map(Result::ok).find_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let picture = |version: u32| {
        admin.get(&format!("/api/lines/belt/banks/{version}/learned/{}", time.as_deref().expect("a picture")))
    };
    assert!(picture(2).body.starts_with(b"\xff\xd8") && picture(1).code == 404);

    // What is given up makes no version.
    assert_eq!(post("/learn", &wish).code, 204);
    until("it learns", || get("/learn")["now"]["stage"] == "frames");
    assert_eq!(admin.ask("DELETE", "/api/lines/belt/learn", b"").code, 204);
    until("it is given up", || get("/learn")["last"]["failure"] == "given up");
    until("the line inspects again", inspects);
    assert_eq!(get("/banks")["versions"].as_array().map(Vec::len), Some(2));

    // Begin and end of both are in the list of who did what, the last one first, and the trends have the frames of both runs.
    let audit = admin.get("/api/audit").json();
    let of_learning = |entry: &&Value| entry["what"] == "learn";
    let said: Vec<&str> = audit
        .as_array()
        .expect("entries")
        .iter()
        .filter(of_learning)
        .filter_map(|entry| entry["detail"].as_str())
        .collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[2] == "belt: the frames are enough" && said[0] == "belt: given up", "{said:?}");
    let steps = get("/trends?hours=1")["steps"].clone();
    let frames =
        steps.as_array().expect("steps").iter().filter_map(|step| step["frames"].as_u64()).sum::<u64>();
    assert!(frames >= get("")["shift"]["frames"].as_u64().expect("a number") / 2 && frames > 0, "{steps}");
    assert_eq!(admin.get("/api/lines/belt/trends?hours=0").code, 400);
}

#[test]
fn engineers_look_at_the_system_and_start_pipelines_again_and_viewers_do_not() {
    let Some(dir) = learned() else { return };
    let modbus = "[[output]]\nkind = 'modbus'\nname = 'plc'\nlisten = '127.0.0.1:0'\n";
    let station = Station::start(dir.path(), modbus);
    let admin = station.set_up();
    let viewer = json!({ "name": "vic", "role": "viewer", "password": PASSWORD });
    assert_eq!(admin.post("/api/people", &viewer).code, 204);
    let viewer = station.sign_in("vic");
    for (method, path) in [
        ("GET", "/api/system"),
        ("POST", "/api/lines/belt/restart"),
        ("POST", "/api/lines/belt/learn"),
        ("DELETE", "/api/lines/belt/learn"),
        ("POST", "/api/outputs/plc/test"),
        ("GET", "/api/outputs/plc/set-aside"),
        ("DELETE", "/api/outputs/plc/set-aside"),
        ("DELETE", "/api/outputs/plc"),
    ] {
        let body: &[u8] = if method == "POST" { b"{}" } else { b"" };
        assert_eq!(viewer.ask(method, path, body).code, 403, "{method} {path}");
    }
    // This line has no source to learn from, and this output takes no messages.
    let refused = admin.post("/api/lines/belt/learn", &json!({ "reason": "a new lamp" }));
    assert!(refused.code == 409 && refused.text().contains("[line.learn]"), "{}", refused.text());
    let refused = admin.post("/api/outputs/plc/test", &json!({}));
    assert!(refused.code == 409 && refused.text().contains("modbus"), "{}", refused.text());
    assert_eq!(admin.post("/api/outputs/mes/test", &json!({})).code, 404);

    until("frames are judged", || station.metric(&admin, "snarm_frames_total") > 0.0);
    let children = station.children();
    assert_eq!(admin.post("/api/lines/belt/restart", &json!({})).code, 204);
    until("another pipeline runs", || {
        let now = station.children();
        !now.is_empty() && now.iter().all(|child| !children.contains(child))
    });
    let system = admin.get("/api/system").json();
    let output = &system["outputs"][0];
    assert_eq!((&output["kind"], &output["can_be_tried"]), (&json!("modbus"), &json!(false)));
    // It was asked for, and is no failure.
    assert_eq!(system["lines"][0]["restarts"], 0);
    assert!(system["database"].as_u64() > Some(0), "{system}");
}
