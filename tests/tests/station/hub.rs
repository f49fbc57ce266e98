//! A hub of many stations: it has what was found, once each and in order, whoever is killed in between; what trusted people
//! ask for is done once, and nothing else is.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use snarm_tests::skip::skip;

use crate::common::{ADMIN, SOURCE, Station, learned, until};
use crate::outputs::{free_port, waiting};
use crate::run::{run, snarm, stderr, stdout};

/// A server, ended with the test.
struct Server(Child);

impl Server {
    fn start(dir: &Path, port: u16) -> Option<Self> {
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
fn table(dir: &Path, port: u16, name: &str, more: &str) -> String {
    let text = format!("[hub]\nurl = ['nats://127.0.0.1:{port}']\nname = '{name}'\n{more}");
    std::fs::write(dir.join(format!("{name}.toml")), &text).expect("a file");
    text
}

/// What a command prints, a JSON object a line.
fn lines(dir: &Path, line: &str) -> Vec<Value> {
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
    let public = stdout(&run(dir, "hub keys ann.key", 0)).trim().to_owned();
    run(dir, "hub keys eve.key", 0);
    table(dir, port, "ann", "");
    run(dir, "hub init --config ann.toml", 0);
    let ann = "--config ann.toml --key ann.key";
    let away = run(dir, &format!("hub ask north test {ann}"), 1);
    assert!(stderr(&away).contains("expected a station north"), "{}", stderr(&away));
    let hub = table(dir, port, "north", &format!("trust = {{ ann = '{public}' }}\n"));
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
