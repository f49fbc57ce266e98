//! Recipes: one line, several products, each with bank, limits and finds of its own, chosen by people and by codes.

use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use snarm_core::bank::Bank;

use crate::common::{ADMIN, SOURCE, Station, Visitor, learned, until};
use crate::outputs::{Broker, free_port, modbus, publish, webhook};

/// Two products of the line: one as the line says, one that learns the left half of the frames.
const RECIPES: &str = "[[line.recipe]]\nname = 'red'\ntitle = 'Red caps'\ncodes = ['40*']\n\
    [[line.recipe]]\nname = 'blue'\nnumber = 7\noutputs = []\ndetect = { roi = '0,0,0.5,1', light-correction = false }\n\
    [line.recipe.learn]\nsource = 'videotestsrc pattern=ball num-buffers=9 ! video/x-raw,format=I420,width=128,height=96,framerate=5/1'\n\
    properties = { bank-capacity = 200 }\n";

/// What the line says of itself.
fn belt(visitor: &Visitor) -> Value {
    visitor.get("/api/lines/belt").json()
}

fn runs(visitor: &Visitor, line: &str) {
    until(line, || {
        let now = belt(visitor);
        now["line"] == line && now["status"] == "running"
    });
}

#[test]
fn each_product_has_its_bank_and_its_finds_and_a_code_chooses_it() {
    let Some(dir) = learned() else { return };
    let got = Arc::new(Mutex::new(Vec::<Value>::new()));
    let to = Arc::clone(&got);
    let address = webhook(move |_, body| {
        to.lock().expect("frames").push(serde_json::from_slice(body).expect("JSON"));
        true
    });
    let codes = dir.path().join("codes");
    assert!(Command::new("mkfifo").arg(&codes).status().expect("mkfifo starts").success());
    let more = format!(
        "scanner = 'codes'\nparts = {{ by = 'message' }}\n{RECIPES}\
         [[output]]\nkind = 'webhook'\nname = 'mes'\nurl = 'http://{address}/frame'\nsend = 'frames'\n"
    );
    let mut station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    let choose = |visitor: &Visitor, body: Value| visitor.post("/api/lines/belt/recipe", &body);
    runs(&admin, "belt_red");
    assert_eq!(
        (&belt(&admin)["title"], &belt(&admin)["recipe"]),
        (&json!("Belt: Red caps"), &json!("Red caps"))
    );
    let recipes = |visitor: &Visitor| visitor.get("/api/lines/belt/recipes").json();
    let told = recipes(&admin);
    let of = |told: &Value, name: &str| {
        told["recipes"].as_array().expect("recipes").iter().map(|one| one[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&told, "line"), ["belt_red", "belt_blue"]);
    assert_eq!(of(&told, "region"), [json!(null), json!("0,0,0.5,1")]);
    assert_eq!(of(&told, "outputs"), [json!(null), json!([])]);
    assert!(of(&told, "source").iter().all(|source| *source == SOURCE), "{told}");
    assert_eq!((of(&told, "mask"), of(&told, "decoder")), (vec![json!(null); 2], vec![json!(null); 2]));
    assert_eq!(
        (of(&told, "number"), of(&told, "bank")),
        (vec![json!(1), json!(7)], vec![json!(1), json!(0)])
    );
    assert_eq!(
        (of(&told, "is_in_use"), &told["codes_begin_parts"]),
        (vec![json!(true), json!(false)], &json!(true))
    );

    // The other one learns before its first start, by its own rule and its own region.
    assert_eq!(admin.post("/api/lines/belt/part", &json!({ "part": "A1" })).code, 204);
    assert_eq!(choose(&admin, json!({ "recipe": "blue" })).code, 204);
    runs(&admin, "belt_blue");
    let banks = |line: &str| admin.get(&format!("/api/lines/{line}/banks")).json()["versions"].clone();
    let (red, blue) = (banks("belt_red"), banks("belt_blue"));
    assert_ne!(red[0]["digest"], blue[0]["digest"]);
    assert_eq!((&blue[0]["frames"], &blue[0]["vectors"]), (&json!(9), &json!(200)));
    assert_eq!(banks("belt"), blue, "the line by its own name is the recipe in use");
    let files = std::fs::read_dir(dir.path().join("data/banks")).expect("a folder").filter_map(Result::ok);
    let opened = files.map(|file| Bank::open(&file.path()).expect("a bank"));
    let learned = opened.map(|bank| (bank.frames(), bank.view().roi.map(|roi| roi.w)));
    let learned: Vec<_> = learned.collect();
    assert!(learned.contains(&(9, Some(0.5))) && learned.contains(&(12, None)), "{learned:?}");
    // What was of the one before ended with it, and is still there.
    let parts = admin.get("/api/lines/belt_red/parts").json();
    assert!(parts[0]["part"] == "A1" && parts[0]["ended"].is_i64(), "{parts}");
    assert_eq!(admin.get("/api/lines/belt_red").json()["status"], "stopped");
    // Only what is in use can be told of parts, learn, or be started again.
    for (path, body) in [
        ("part", json!({ "part": "A2" })),
        ("learn", json!({ "reason": "a new batch" })),
        ("restart", json!({})),
    ] {
        let answer = admin.post(&format!("/api/lines/belt_red/{path}"), &body);
        assert_eq!(answer.code, 409, "{path}");
        assert!(answer.text().contains("found belt_red"), "{}", answer.text());
    }
    // Limits of one are none of the other.
    let limits = json!({ "threshold": 0.9, "low": null, "reason": "a test" });
    assert_eq!(admin.post("/api/lines/belt_red/limits", &limits).code, 204);
    assert_ne!(belt(&admin)["threshold"], 0.9);

    // A scanner chooses, and begins the part of that code.
    std::fs::OpenOptions::new()
        .write(true)
        .open(&codes)
        .expect("a pipe")
        .write_all(b"\x024012\r\n")
        .expect("it is read");
    runs(&admin, "belt_red");
    assert_eq!(
        (&belt(&admin)["parts"]["open"]["part"], &belt(&admin)["threshold"]),
        (&json!("4012"), &json!(0.9))
    );
    let changes = recipes(&admin)["changes"].clone();
    assert_eq!((&changes[0]["recipe"], &changes[0]["who"]), (&json!("red"), &json!("scanner")));
    assert_eq!((&changes[1]["recipe"], &changes[1]["who"]), (&json!("blue"), &json!(ADMIN)));
    // A code that means no recipe is a part alone.
    assert_eq!(choose(&admin, json!({ "code": "serial 5" })).code, 204);
    let now = belt(&admin);
    assert_eq!((&now["line"], &now["parts"]["open"]["part"]), (&json!("belt_red"), &json!("serial 5")));

    // Only the outputs that a recipe names hear of it, by the name of the line.
    until("frames are sent", || got.lock().expect("frames").len() > 3);
    let told = got.lock().expect("frames").clone();
    let signed = |frame: &Value| frame["line"] == "belt" && frame["recipe"] == "red";
    assert!(told.iter().all(signed), "{told:?}");
    assert!(told.iter().all(|frame| frame["source-id"] == "belt"), "{}", told[0]);

    // A recipe that learns, since somebody asked for it, is not taken away.
    assert_eq!(choose(&admin, json!({ "recipe": "blue" })).code, 204);
    runs(&admin, "belt_blue");
    let wish = json!({ "reason": "a new batch" });
    assert_eq!(admin.post("/api/lines/belt/learn", &wish).code, 204);
    let refused = choose(&admin, json!({ "recipe": "red" }));
    assert!(refused.code == 409 && refused.text().contains("learns at this moment"), "{}", refused.text());
    until("it has learned", || admin.get("/api/lines/belt/learn").json()["last"]["version"] == 2);
    runs(&admin, "belt_blue");
    assert_eq!(choose(&admin, json!({ "recipe": "red" })).code, 204);
    runs(&admin, "belt_red");

    // What makes no sense is refused by name; who may only look chooses nothing.
    for body in [json!({ "recipe": "green" }), json!({ "code": "" }), json!({ "code": "x".repeat(101) })] {
        let answer = choose(&admin, body.clone());
        assert!(answer.code == 409 && answer.text().contains("expected a"), "{body}: {}", answer.text());
    }
    assert_eq!(choose(&station.stranger(), json!({ "recipe": "blue" })).code, 401);
    assert_eq!(admin.post("/api/lines/nothing/recipe", &json!({ "recipe": "red" })).code, 404);

    // What is in use stays in use, whatever ends the station.
    assert_eq!(choose(&admin, json!({ "recipe": "blue" })).code, 204);
    station.kill();
    let station = Station::start(dir.path(), &more);
    let admin = station.sign_in(ADMIN);
    assert_eq!(belt(&admin)["line"], "belt_blue");
    assert_eq!(recipes(&admin)["recipes"][0]["threshold"], 0.9, "what rests is known, too");
    runs(&admin, "belt_blue");
    assert_eq!(admin.get("/healthz").code, 200, "a recipe that rests is not ill");
    assert!(admin.get("/metrics").text().contains("snarm_recipe{line=\"belt\"} 7"));
    let described = admin.get("/api/openapi.json").json();
    assert!(described["paths"]["/api/lines/{line}/recipe"]["post"].is_object());
}

#[test]
fn a_plc_and_a_broker_choose_where_they_may() {
    let Some(dir) = learned() else { return };
    let (read_only, port, broker_port) = (free_port(), free_port(), free_port());
    let Some(broker) = Broker::start(dir.path(), broker_port) else { return };
    let more = format!(
        "{}[[output]]\nkind = 'modbus'\nname = 'plc'\nlisten = '127.0.0.1:{port}'\nrecipes = true\n\
         [[output]]\nkind = 'modbus'\nname = 'screen'\nlisten = '127.0.0.1:{read_only}'\n\
         [[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {broker_port}\ntopic = 'plant'\ncodes = true\n",
        // Both begin with the bank of the line here.
        "[[line.recipe]]\nname = 'red'\n[[line.recipe]]\nname = 'blue'\nnumber = 7\ncodes = ['41*']\n"
    );
    let station = Station::start(dir.path(), &more);
    let admin = station.set_up();
    runs(&admin, "belt_red");
    let recipe = |port| modbus(port, &[3, 0, 12, 0, 1]);
    assert_eq!(recipe(port), [3, 2, 0, 1]);
    // Function 6 writes a register, function 16 several.
    assert_eq!(modbus(port, &[6, 0, 12, 0, 7]), [6, 0, 12, 0, 7]);
    runs(&admin, "belt_blue");
    assert_eq!(recipe(read_only), [3, 2, 0, 7]);
    assert_eq!(modbus(port, &[16, 0, 12, 0, 1, 2, 0, 1]), [16, 0, 12, 0, 1]);
    runs(&admin, "belt_red");
    // No such recipe, no such register, nothing that may be written here.
    assert_eq!(modbus(port, &[6, 0, 12, 0, 9]), [0x86, 3]);
    assert_eq!(modbus(port, &[6, 0, 12, 0, 0]), [0x86, 3]);
    assert_eq!(modbus(port, &[6, 0, 11, 0, 1]), [0x86, 2]);
    assert_eq!(modbus(port, &[6, 0, 32, 0, 1]), [0x86, 2]);
    assert_eq!(modbus(read_only, &[6, 0, 12, 0, 7]), [0x86, 1]);

    let publish = |topic: &str, code: &str, how: &[&str]| publish(broker_port, topic, code, how);
    publish("plant/nothing/code", "blue", &[]);
    publish("plant/belt/code", "green", &[]);
    publish("plant/belt/code", "4100", &["-r"]);
    runs(&admin, "belt_blue");
    let changes = admin.get("/api/lines/belt/recipes").json()["changes"].clone();
    let who: Vec<&str> =
        changes.as_array().expect("changes").iter().filter_map(|one| one["who"].as_str()).collect();
    assert_eq!(who, ["mqtt plant", "modbus plc", "modbus plc"]);
    drop(broker);
}
