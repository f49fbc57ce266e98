//! A hub of many stations: it has what was found, once each and in order, whoever is killed in between; what trusted people
//! ask for is done once, and nothing else is.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use snarm_tests::skip::skip;

use crate::common::{ADMIN, PASSWORD, SOURCE, Station, Visitor, learned, until};
use crate::outputs::{free_port, waiting};
use crate::run::{run, snarm, stderr, stdout};

/// A server, ended with the test.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(dir: &Path, port: u16) -> Option<Self> {
        let program = ["nats-server", "/usr/sbin/nats-server"].into_iter().find_map(|program| {
            let mut command = Command::new(program);
            command.args(["-js", "-sd", "jetstream", "-a", "127.0.0.1", "-p", &port.to_string()]);
            command.current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let Some(child) = program else {
            skip("nats-server", "no nats-server on this machine");
            return None;
        };
        let server = Self(child);
        until("the server listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(server)
    }

    fn kill(mut self) {
        self.0.kill().expect("it is killed");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing where it was killed already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes the table `[hub]` of somebody, and returns it.
pub(crate) fn table(dir: &Path, port: u16, name: &str, more: &str) -> String {
    let text = format!("[hub]\nurl = ['nats://127.0.0.1:{port}']\nname = '{name}'\n{more}");
    std::fs::write(dir.join(format!("{name}.toml")), &text).expect("a file");
    text
}

/// Makes hub and keys: of Ann, whom the station `north` trusts, and of Eve. Returns the table of that station.
fn made(dir: &Path, port: u16) -> String {
    let public = stdout(&run(dir, "hub keys ann.key", 0)).trim().to_owned();
    run(dir, "hub keys eve.key", 0);
    table(dir, port, "ann", "");
    run(dir, "hub init --config ann.toml", 0);
    table(dir, port, "north", &format!("trust = {{ ann = '{public}' }}\n"))
}

/// What a line of the station is, as the hub was told.
fn told(dir: &Path, line: &str) -> Value {
    let all = lines(dir, "hub show --config ann.toml");
    all.into_iter().find(|state| state["line"] == line).unwrap_or_default()
}

/// What a person asked for at the hub, as the audit list of the station has it: what, and of what.
fn asked_by(visitor: &Visitor, who: &str) -> Vec<(String, String)> {
    let audit = visitor.get("/api/audit").json();
    let of = audit.as_array().expect("entries").iter().filter(|entry| entry["who"] == who);
    let text = |entry: &Value, name: &str| entry[name].as_str().expect("a text").to_owned();
    of.map(|entry| (text(entry, "what"), text(entry, "detail"))).collect()
}

/// What a command prints, a JSON object a line.
pub(crate) fn lines(dir: &Path, line: &str) -> Vec<Value> {
    stdout(&run(dir, line, 0)).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_hub_has_every_part_once_and_in_order_though_hub_and_station_are_killed() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(server) = Server::start(dir, port) else { return };
    table(dir, port, "ann", "");
    run(dir, "hub init --config ann.toml", 0);
    server.kill();
    // Each frame is a part, whose numbers count what is stored.
    let parts = "[line.parts]\nby = 'frames'\nframes = 1\n";
    let hub = table(dir, port, "north", "send = ['parts']\n");
    let more = format!("{parts}{hub}");
    let mut station = Station::start(dir, &more);
    let admin = station.set_up();
    until("parts wait", || waiting(&station, &admin) > 5.0);
    assert_eq!(station.metric(&admin, "snarm_output_up"), 0.0);
    let server = Server::start(dir, port).expect("a server");
    let read = || lines(dir, "hub read results --station north --config ann.toml");
    until("parts come", || read().len() > 5);
    // Both are killed, one after the other, while parts flow.
    station.kill();
    let station = Station::start(dir, &more);
    let admin = station.sign_in(ADMIN);
    let before = read().len();
    until("parts come again", || read().len() > before);
    server.kill();
    until("parts wait again", || waiting(&station, &admin) > 3.0);
    assert_eq!(admin.get("/api/lines/belt").json()["status"], "running");
    let _server = Server::start(dir, port).expect("a server");
    let before = read().len();
    until("parts come once more", || read().len() > before + 3);
    // Asked to end, the station leaves what was not sent to the next one.
    drop(station);
    let station = Station::start(dir, &more.replace("frames = 1", "frames = 1000000"));
    let admin = station.sign_in(ADMIN);
    until("everything is sent", || waiting(&station, &admin) == 0.0);
    let parts = admin.get("/api/lines/belt/parts").json();
    let stored = parts.as_array().expect("parts").iter().find(|part| part["ended"].is_i64());
    let stored = stored.and_then(|part| part["number"].as_i64()).expect("a number");
    let numbers: Vec<i64> = read().iter().map(|part| part["number"].as_i64().expect("a number")).collect();
    assert_eq!(numbers, (1..=stored).collect::<Vec<_>>());
    // Who did what, and what the line did, is there as well.
    let events = lines(dir, "hub read events --config ann.toml");
    let has = |name: &str, value: &str| {
        events.iter().any(|event| event[name] == value && event["station"] == "north")
    };
    assert!(has("what", "person") && has("status", "running"), "{events:?}");
}

#[test]
fn stations_obey_whom_they_trust_and_do_nothing_twice() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(_server) = Server::start(dir, port) else { return };
    let hub = made(dir, port);
    let ann = "--config ann.toml --key ann.key";
    let away = run(dir, &format!("hub ask north test {ann}"), 1);
    assert!(stderr(&away).contains("expected a station north"), "{}", stderr(&away));
    let station = Station::start(dir, &hub);
    let admin = station.set_up();
    let state = || lines(dir, "hub show --config ann.toml").first().cloned().unwrap_or_default();
    until("the line is told to run", || state()["status"] == "running");
    assert_eq!((&state()["station"], &state()["bank"]["version"]), (&"north".into(), &1.into()));
    let answer = &lines(dir, &format!("hub ask north test {ann}"))[0];
    assert_eq!((&answer["ok"], &answer["answer"]["lines"][0]["line"]), (&true.into(), &"belt".into()));
    run(dir, &format!("hub ask north snapshot belt --picture now.jpg {ann}"), 0);
    assert!(std::fs::read(dir.join("now.jpg")).expect("a picture").starts_with(b"\xff\xd8"));

    // Another bank is wanted, and taken into use while the line goes on.
    let source = format!("source={}", SOURCE.replace("is-live=true", "num-buffers=9"));
    let mut learn = snarm();
    learn.args(["launch", "learn", &source, "bank=other.bank", "capacity=400"]).current_dir(dir);
    assert!(learn.output().expect("snarm starts").status.success());
    let object = stdout(&run(dir, &format!("hub put other.bank {ann}"), 0)).trim().to_owned();
    run(dir, &format!("hub want north belt {object} --reason rollout {ann}"), 0);
    until("the line has it", || state()["desired"]["object"] == object.as_str());
    assert_eq!((&state()["bank"]["version"], &state()["desired"]["refusal"]), (&2.into(), &Value::Null));
    assert_eq!(admin.get("/api/lines/belt").json()["bank"], 2);

    // A command is carried out once: a second roll back would take version 2 into use again.
    let back = format!("hub ask north roll-back belt --reason again --id one {ann}");
    let first = stdout(&run(dir, &back, 0));
    assert_eq!(admin.get("/api/lines/belt").json()["bank"], 1);
    assert_eq!(stdout(&run(dir, &back, 0)), first);
    assert_eq!(admin.get("/api/lines/belt").json()["bank"], 1);
    let other = run(dir, &back.replace("again", "other"), 1);
    assert!(stderr(&other).contains("which another command has"), "{}", stderr(&other));

    // What somebody else signed is not used, and written down: neither an object nor a wish.
    let eve = "--config ann.toml --key eve.key";
    let alien = stdout(&run(dir, &format!("hub put part.bank {eve}"), 0)).trim().to_owned();
    run(dir, &format!("hub want north belt {alien} --reason mine {ann}"), 0);
    until("the object is refused", || state()["desired"]["object"] == alien.as_str());
    let text = state()["desired"]["refusal"].as_str().expect("a reason").to_owned();
    assert!(text.contains("expected the signature of ann") && text.contains(&alien), "{text}");
    run(dir, &format!("hub want north belt {object} --reason mine {eve}"), 0);
    let refused = || {
        let audit = admin.get("/api/audit").json();
        let all = audit.as_array().expect("entries").iter();
        all.filter(|entry| entry["what"] == "refuse")
            .map(|entry| entry["detail"].to_string())
            .collect::<Vec<_>>()
    };
    until("the wish is refused", || refused().len() == 2);
    assert!(refused().iter().all(|text| text.contains("expected the signature of ann")), "{:?}", refused());
    assert_eq!(admin.get("/api/lines/belt").json()["bank"], 1);
    let asked = run(dir, &format!("hub ask north roll-back belt --reason mine {eve}"), 1);
    assert!(stderr(&asked).contains("expected the signature of ann"), "{}", stderr(&asked));
}

#[test]
fn a_hub_hands_out_recipes_and_limits_and_one_that_does_not_load_leaves_what_ran() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(_server) = Server::start(dir, port) else { return };
    let station = Station::start(dir, &made(dir, port));
    let admin = station.set_up();
    let state = || told(dir, "belt");
    until("the line is told to run", || state()["status"] == "running");
    let ann = "--config ann.toml --key ann.key";
    let put = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).expect("a file");
        stdout(&run(dir, &format!("hub put {name} --kind recipe {ann}"), 0)).trim().to_owned()
    };
    let want = |what: &str| {
        let before = state()["desired"]["at"].as_i64();
        run(dir, &format!("hub want north belt {what} --reason rollout {ann}"), 0);
        until("the wish is taken", || state()["desired"]["at"].as_i64() > before);
        state()["desired"].clone()
    };
    let files = || std::fs::read_dir(dir.join("data/objects")).expect("a folder").count();
    let nothing = run(dir, &format!("hub want north belt --reason rollout {ann}"), 1);
    assert!(stderr(&nothing).contains("found none of them"), "{}", stderr(&nothing));
    let file = run(dir, &format!("hub put part.bank --kind recipe {ann}"), 1);
    assert!(stderr(&file).contains("part.bank"), "{}", stderr(&file));

    // Properties of the detector and limits, at once.
    let half = put("half.toml", "[detect]\nroi = '0,0,0.5,1'\nquality-gate = false\n");
    let wish = want(&format!("--recipe {half} --threshold 0.9 --low 0.8"));
    assert_eq!(
        (&wish["refusal"], &wish["recipe"], &wish["version"]),
        (&Value::Null, &json!(half), &json!(1))
    );
    until("it is told", || state()["objects"]["recipe"] == half.as_str() && state()["threshold"] == 0.9);
    assert_eq!(state()["low"], 0.8);
    assert_eq!(admin.get("/api/lines/belt/limits").json()["changes"][0]["author"], "ann@hub");

    // The pipeline does not begin with the next one: what ran before runs again, with its limits.
    let wrong = put("wrong.toml", "[detect]\ntiles = 'many'\n");
    let wish = want(&format!("--recipe {wrong} --threshold 0.1"));
    let why = wish["refusal"].as_str().expect("a reason").to_owned();
    assert!(why.contains("the pipeline does not run with it"), "{why}");
    until("the line runs as before", || state()["status"] == "running");
    assert_eq!((&state()["objects"]["recipe"], &state()["threshold"]), (&json!(half), &json!(0.9)));
    let audit = admin.get("/api/audit").json();
    let has = |who: &str, word: &str| {
        let mut entries = audit.as_array().expect("entries").iter();
        entries.any(|entry| entry["who"] == who && entry["detail"].to_string().contains(word))
    };
    assert!(has("station", "goes back to what ran") && has("ann@hub", "does not run with it"), "{audit}");

    // It stays when the station is started again; what the configuration says comes back when it is wanted.
    drop(station);
    let station = Station::start(dir, &std::fs::read_to_string(dir.join("north.toml")).expect("a file"));
    let admin = station.sign_in(ADMIN);
    until("the line runs again", || admin.get("/api/lines/belt").json()["status"] == "running");
    until("it is told again", || state()["objects"]["recipe"] == half.as_str());
    let wish = want("--recipe none --threshold bank");
    assert_eq!(wish["refusal"], Value::Null);
    until("nothing of it is in use", || state()["objects"]["recipe"].is_null());
    assert_eq!(files(), 0, "files that nobody uses are gone");
}

#[test]
fn a_hub_has_banks_made_compared_released_and_taken_back() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(_server) = Server::start(dir, port) else { return };
    let station = Station::start(dir, &made(dir, port));
    let admin = station.set_up();
    let state = || told(dir, "belt");
    until("the line is told to run", || state()["status"] == "running");
    let limits = json!({ "threshold": 0.0, "low": null, "reason": "to see alarms" });
    assert_eq!(admin.post("/api/lines/belt/limits", &limits).code, 204);
    let find = || admin.get("/api/lines/belt/queue").json()["finds"][0]["id"].as_i64();
    until("an alarm is found", || find().is_some());
    let command = |what: &str| format!("hub ask north {what} --config ann.toml --key ann.key");
    let ask = |what: &str| {
        let answer = lines(dir, &command(what)).remove(0);
        assert_eq!(answer["ok"], true, "{answer}");
        answer["answer"].clone()
    };
    let refused = |what: &str, words: &str| {
        let text = stderr(&run(dir, &command(what), 1));
        assert!(text.contains(words), "{what}: expected {words:?} in {text}");
    };

    // A candidate needs what was judged good, a reason, and a line.
    let learn = "learn belt --reason alarms";
    refused(learn, "expected finds that were judged good");
    refused("learn belt --reason no", "reason: expected 3 to");
    refused("learn belt", "missing field `reason`");
    refused("learn lid --reason alarms", "expected a line of this station, found \"lid\"");
    let judgement = format!("/api/finds/{}/judgement", find().expect("a find"));
    assert_eq!(admin.post(&judgement, &json!({ "judgement": "good" })).code, 200);
    let made = ask(&format!("{learn} --id two"));
    assert_eq!((&made["version"], &made["author"]), (&json!(2), &json!("ann@hub")), "{made}");
    // Asked again, it makes no other one.
    assert_eq!(ask(&format!("{learn} --id two")), made);
    let versions = || admin.get("/api/lines/belt/banks").json()["versions"].as_array().map(Vec::len);
    assert_eq!((versions(), &state()["bank"]["version"]), (Some(2), &json!(1)));

    // It judges beside the one in use, until somebody ends that.
    refused("shadow belt --version 9 --reason compare", "not in use, found 9");
    refused("shadow belt --version 1 --reason compare", "not in use, found 1");
    refused("end-shadow belt", "expected a shadow of belt, found none");
    ask("shadow belt --version 2 --reason compare");
    until("the shadow is told", || state()["shadow"] == 2);
    assert_eq!(admin.get("/api/lines/belt/shadow").json()["version"], 2);
    ask("end-shadow belt");
    until("its end is told", || state()["shadow"].is_null());
    refused("end-shadow belt", "expected a shadow of belt, found none");

    // It is taken into use, and the one before again.
    refused("release belt --version 9 --reason better", "expected a version of this line, found 9");
    until("the line runs again", || state()["status"] == "running");
    ask("release belt --version 2 --reason better");
    until("the version is told", || state()["bank"]["version"] == 2);
    assert_eq!(admin.get("/api/lines/belt").json()["bank"], 2);
    let snapshot = ask("snapshot belt");
    let (now, picture) = (&snapshot["state"], snapshot["picture"].as_str().map(str::len));
    assert_eq!((&now["line"], &now["bank"], picture), (&json!("belt"), &json!(2), Some(64)), "{snapshot}");
    ask("roll-back belt --reason worse");
    assert_eq!(admin.get("/api/lines/belt").json()["bank"], 1);
    refused("recipe belt --recipe red", "expected a line with recipes, found belt, which has none");

    // Each is in the audit list by the name of its author, what was refused is not.
    let asked = asked_by(&admin, "ann@hub");
    let of = |kind: &str| {
        let of_kind = asked.iter().filter(|(what, _)| what == kind).map(|(_, detail)| detail.as_str());
        of_kind.collect::<Vec<_>>()
    };
    assert_eq!(of("bank"), ["belt: version 2, alarms"]);
    assert_eq!(of("release"), ["belt: version 1, roll back: worse", "belt: version 2, better"]);
    assert_eq!((of("shadow").len(), asked.len()), (2, 5), "{asked:?}");
}

#[test]
fn a_hub_has_a_line_learn_anew_for_frames_or_seconds() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(_server) = Server::start(dir, port) else { return };
    let learns = format!("[line.learn]\nsource = '{SOURCE}'\n");
    let station = Station::start(dir, &format!("{learns}{}", made(dir, port)));
    let admin = station.set_up();
    let learning = || admin.get("/api/lines/belt/learn").json();
    let inspects = || admin.get("/api/lines/belt").json()["status"] == "running";
    until("the line runs", inspects);
    let command =
        |what: &str| format!("hub ask north learn-anew belt {what} --config ann.toml --key ann.key");
    for (what, words) in [
        ("--reason lamp", "expected max_frames or seconds"),
        ("--reason no --max-frames 5", "reason: expected 3 to"),
        ("--reason lamp --max-frames 5 --interval 0", "expected an interval of 1 to"),
    ] {
        let text = stderr(&run(dir, &command(what), 1));
        assert!(text.contains(words), "{what}: expected {words:?} in {text}");
    }
    for (what, version) in [("--max-frames 4", 2), ("--learn-seconds 1", 3)] {
        let once = command(&format!("{what} --reason lamp --id {version}"));
        let answer = stdout(&run(dir, &once, 0));
        assert!(answer.contains("{\"begun\":\"belt\"}"), "{answer}");
        until("the version is made", || learning()["last"]["version"] == version);
        until("the line inspects again", inspects);
        // Asked again, it learns no more.
        assert_eq!(stdout(&run(dir, &once, 0)), answer);
        assert!(learning()["now"].is_null());
    }
    let versions = admin.get("/api/lines/belt/banks").json()["versions"].clone();
    assert_eq!(
        (&versions[1]["frames"], &versions[0]["author"]),
        (&json!(4), &json!("ann@hub")),
        "{versions}"
    );
    assert_eq!(told(dir, "belt")["bank"]["version"], 1, "nobody uses it yet");
    until("the hub is told which version was made", || {
        let events = lines(dir, "hub read events --config ann.toml");
        events.iter().any(|event| event["what"] == "bank" && event["detail"] == "belt: version 3, lamp")
    });
}

#[test]
fn pages_show_what_a_hub_has_of_a_station_and_pass_signed_commands_on() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let alone = Station::start(dir, "");
    let admin = alone.set_up();
    let none = admin.get("/api/hub");
    assert!(none.code == 404 && none.text().contains("expected [hub]"), "{}", none.text());
    assert_eq!(
        (admin.get("/api/hub/north").code, admin.get("/api/me").json()["hub"].clone()),
        (404, json!(false))
    );
    drop(alone);
    // Without its hub a station shows its own lines, and says that the hub is away.
    let Some(server) = Server::start(dir, port) else { return };
    let hub = made(dir, port);
    server.kill();
    let station = Station::start(dir, &format!("parts = {{ by = 'frames', frames = 1 }}\n{hub}"));
    let admin = station.sign_in(ADMIN);
    let away = admin.get("/api/hub");
    assert!(away.code == 503 && away.text().contains("the hub is away"), "{}", away.text());
    let page = admin.get("/stations");
    assert!(page.code == 200 && page.text().contains("id=\"station-commands\""));
    assert_eq!(admin.get("/stations.js").code, 200);
    let _server = Server::start(dir, port).expect("a server");
    until("the hub is told", || {
        admin.get("/api/hub").code == 200 && admin.get("/api/hub").json()[0]["line"] == "belt"
    });

    // The last rejects are finds and parts with an alarm, the newest first.
    let limits = json!({ "threshold": 0.0, "low": null, "reason": "to see alarms" });
    assert_eq!(admin.post("/api/lines/belt/limits", &limits).code, 204);
    let seen = || admin.get("/api/hub/north").json();
    until("rejects are there", || seen()["rejects"].as_array().map_or(0, Vec::len) > 5);
    let now = seen();
    let all = |name: &str| now[name].as_array().expect("a list").clone();
    assert!(all("rejects").iter().all(|each| each["verdict"] == "anomalous"), "{now}");
    let ids: Vec<i64> = all("rejects").iter().filter_map(|each| each["id"].as_i64()).collect();
    assert!(ids.len() <= 20 && ids.is_sorted_by(|one, other| one > other), "{ids:?}");
    assert_eq!((all("lines").len(), all("commands").len()), (1, 0));
    assert!(now["lines"][0]["shift"]["frames"].is_u64());
    let has = |name: &str, value: &str| all("events").iter().any(|each| each[name] == value);
    assert!(has("what", "limits") && has("status", "running"), "{now}");
    for name in ["south", "*", "%3E", "north.%3E"] {
        assert_eq!(admin.get(&format!("/api/hub/{name}")).code, 404, "{name}");
    }

    // What was asked for is there with its answer, whoever asked.
    run(dir, "hub ask north test --id first --config ann.toml --key ann.key", 0);
    run(dir, "hub ask north end-shadow belt --id second --config ann.toml --key ann.key", 1);
    until("both are told", || seen()["commands"].as_array().map(Vec::len) == Some(2));
    let commands = seen()["commands"].clone();
    assert_eq!(
        (&commands[0]["command"]["do"], &commands[0]["answer"]["ok"]),
        (&json!("end-shadow"), &json!(false))
    );
    assert_eq!(
        (&commands[1]["command"]["author"], &commands[1]["answer"]["ok"]),
        (&json!("ann"), &json!(true))
    );

    // Pages pass on what somebody signed, within what their visitor may do; the station looks at the signature.
    let order =
        |statement: &Value| json!({ "statement": statement.to_string(), "signature": "00".repeat(64) });
    let test =
        json!({ "id": "x", "author": "ann", "station": "north", "deadline": i64::MAX / 2, "do": "test" });
    let release = json!({
        "id": "y", "author": "ann", "station": "north", "deadline": i64::MAX / 2, "do": "release",
        "line": "belt", "version": 1, "reason": "a test",
    });
    let ask = |visitor: &Visitor, to: &str, statement: &Value| {
        visitor.post(&format!("/api/hub/{to}/commands"), &order(statement))
    };
    let refused = ask(&admin, "north", &test);
    assert_eq!((refused.code, &refused.json()["ok"]), (200, &json!(false)));
    assert!(refused.text().contains("expected the signature of ann"), "{}", refused.text());
    assert!(ask(&admin, "south", &test).text().contains("expected a command for south, found one for north"));
    assert_eq!(ask(&admin, "north", &json!({ "do": "format" })).code, 400);
    for (role, of_test, of_release) in [("viewer", 403, 403), ("operator", 200, 403), ("engineer", 200, 200)]
    {
        let person = json!({ "name": role, "role": role, "password": PASSWORD });
        assert_eq!(admin.post("/api/people", &person).code, 204);
        let visitor = station.sign_in(role);
        assert_eq!(visitor.get("/api/hub/north").code, 200, "{role}");
        let codes = (ask(&visitor, "north", &test).code, ask(&visitor, "north", &release).code);
        assert_eq!(codes, (of_test, of_release), "{role}");
    }
    assert_eq!(station.stranger().get("/api/hub/north").code, 401);
}

#[test]
fn a_hub_chooses_a_recipe_once_and_is_told_which_there_are() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(_server) = Server::start(dir, port) else { return };
    // Both begin with the bank of the line.
    let recipes = "[[line.recipe]]\nname = 'red'\n[[line.recipe]]\nname = 'blue'\n";
    let station = Station::start(dir, &format!("{recipes}{}", made(dir, port)));
    let admin = station.set_up();
    let runs = |recipe: &str| {
        let told = ["red", "blue"].map(|name| told(dir, &format!("belt_{name}")));
        let is_told = |name: &str, told: &Value| {
            let all = json!({ "of": "belt", "name": name, "in_use": recipe, "all": ["red", "blue"] });
            // One that was never in use has no bank yet.
            let does = match name == recipe {
                true => told["status"] == "running",
                false => told["status"] == "stopped" || told["bank"]["version"] == 0,
            };
            told["recipe"] == all && does
        };
        is_told("red", &told[0]) && is_told("blue", &told[1])
    };
    until("red is told to run", || runs("red"));
    let command =
        |what: &str, who: &str| format!("hub ask north recipe {what} --config ann.toml --key {who}.key");
    let refused = |what: &str, who: &str, words: &str| {
        let text = stderr(&run(dir, &command(what, who), 1));
        assert!(text.contains(words), "{what}: expected {words:?} in {text}");
    };
    refused("belt --recipe green", "ann", "expected a recipe of belt (red, blue), found \"green\"");
    refused("lid --recipe blue", "ann", "expected a line of this station, found \"lid\"");
    refused("belt_blue --recipe blue", "ann", "expected a line of this station, found \"belt_blue\"");
    refused("belt", "ann", "missing field `recipe`");
    refused("belt --recipe blue", "eve", "expected the signature of ann");
    assert_eq!(admin.get("/api/lines/belt").json()["line"], "belt_red");

    let once = command("belt --recipe blue --id once", "ann");
    let first = stdout(&run(dir, &once, 0));
    let answer: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(answer["answer"], json!({ "line": "belt_blue", "changed": true }));
    until("blue is told to run", || runs("blue"));
    // Somebody at the line chooses another one: who asks again is told what was, and changes nothing.
    assert_eq!(admin.post("/api/lines/belt/recipe", &json!({ "recipe": "red" })).code, 204);
    assert_eq!(stdout(&run(dir, &once, 0)), first);
    until("red is told to run again", || runs("red"));
    let answer = &lines(dir, &command("belt --recipe red", "ann"))[0];
    assert_eq!(answer["answer"], json!({ "line": "belt_red", "changed": false }));

    let asked = asked_by(&admin, "ann@hub");
    assert_eq!(asked, [("recipe".to_owned(), "belt: blue".to_owned())]);
    until("the hub is told of it", || {
        let events = lines(dir, "hub read events --config ann.toml");
        events.iter().any(|event| event["what"] == "recipe" && event["who"] == "ann@hub")
    });
}
