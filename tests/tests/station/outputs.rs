//! Outputs: what is sent is what was found, once each, in order, whoever is away or killed in between.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use snarm_tests::skip::skip;

use crate::common::{ADMIN, Station, learned, until};

/// A port that nobody uses at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A broker, ended with the test.
pub(crate) struct Broker(Child);

impl Broker {
    pub(crate) fn start(dir: &Path, port: u16) -> Option<Self> {
        Self::start_with(dir, port, "")
    }

    /// With more lines of its configuration, which are of the listener.
    pub(crate) fn start_with(dir: &Path, port: u16, more: &str) -> Option<Self> {
        // It remembers sessions and what waits for them, and stays the user that starts it.
        let config = format!(
            "listener {port} 127.0.0.1\n{more}allow_anonymous true\npersistence true\npersistence_location {}/\n\
             user root\nmax_queued_messages 0\n",
            dir.display()
        );
        std::fs::write(dir.join("mosquitto.conf"), config).expect("a file");
        let program = ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find_map(|program| {
            let mut command = Command::new(program);
            command.args(["-c", "mosquitto.conf"]).current_dir(dir);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let Some(child) = program else {
            skip("mosquitto", "no mosquitto on this machine");
            return None;
        };
        let broker = Self(child);
        until("the broker listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // SIGTERM: it writes down what waits for sessions.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// A subscriber that the broker remembers while it is away.
pub(crate) fn subscriber(port: u16) -> Command {
    let mut command = Command::new("mosquitto_sub");
    command.args([
        "-h",
        "127.0.0.1",
        "-p",
        &port.to_string(),
        "-c",
        "-i",
        "reader",
        "-q",
        "1",
        "-t",
        "plant/#",
    ]);
    command
}

/// What a subscriber got.
pub(crate) struct Heard {
    client: Child,
    pub(crate) lines: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Heard {
    /// Listens to everything.
    pub(crate) fn start(port: u16) -> Self {
        let mut command = subscriber(port);
        let mut client = command.args(["-F", "%t %p"]).stdout(Stdio::piped()).spawn().expect("it starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, to) = (BufReader::new(client.stdout.take().expect("its output")), Arc::clone(&lines));
        let listen = move || {
            for line in out.lines().map_while(Result::ok) {
                let (topic, payload) = line.split_once(' ').expect("topic and payload");
                let value = serde_json::from_str(payload).unwrap_or_else(|_| Value::from(payload));
                to.lock().expect("lines").push((topic.to_owned(), value));
            }
        };
        std::thread::Builder::new().name("subscriber".into()).spawn(listen).expect("a thread");
        Self { client, lines }
    }

    /// The messages of a topic, as they came.
    pub(crate) fn of(&self, topic: &str) -> Vec<Value> {
        let lines = self.lines.lock().expect("lines");
        lines.iter().filter(|(found, _)| found == topic).map(|(_, message)| message.clone()).collect()
    }

    /// Numbers of the messages of a topic, as they came.
    fn ids(&self, topic: &str) -> Vec<i64> {
        self.of(topic).iter().map(|message| message["id"].as_i64().expect("a number")).collect()
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// How many messages wait.
pub(crate) fn waiting(station: &Station, visitor: &crate::common::Visitor) -> f64 {
    station.metric(visitor, "snarm_output_waiting")
}

#[test]
fn a_broker_that_was_away_gets_every_frame_in_order_though_the_station_is_killed() {
    let Some(dir) = learned() else { return };
    let port = free_port();
    let Some(broker) = Broker::start(dir.path(), port) else { return };
    let Ok(status) = subscriber(port).arg("-E").status() else {
        return skip("mosquitto", "no mosquitto_sub on this machine");
    };
    assert!(status.success());
    drop(broker);
    let output = format!(
        "[[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {port}\ntopic = 'plant'\nsend = 'frames'\n"
    );
    // Nobody listens: frames wait on the disk, whatever becomes of the station.
    let mut station = Station::start(dir.path(), &output);
    let admin = station.set_up();
    until("frames wait", || waiting(&station, &admin) > 5.0);
    station.kill();
    let mut station = Station::start(dir.path(), &output);
    let admin = station.sign_in(ADMIN);
    until("more frames wait", || waiting(&station, &admin) > 10.0);
    let broker = Broker::start(dir.path(), port).expect("a broker");
    let heard = Heard::start(port);
    until("frames come", || heard.ids("plant/belt/frame").len() > 15);
    // Both go away, one after the other, while frames come, and come back.
    station.kill();
    let station = Station::start(dir.path(), &output);
    let admin = station.sign_in(ADMIN);
    let before = heard.ids("plant/belt/frame").len();
    until("frames come again", || heard.ids("plant/belt/frame").len() > before);
    drop(broker);
    until("frames wait again", || waiting(&station, &admin) > 3.0);
    assert_eq!(station.metric(&admin, "snarm_output_up"), 0.0);
    let _broker = Broker::start(dir.path(), port).expect("a broker");
    // The subscriber comes back by itself.
    let before = heard.ids("plant/belt/frame").len();
    until("frames come once more", || heard.ids("plant/belt/frame").len() > before + 5);
    let ids = heard.ids("plant/belt/frame");
    // A message may be sent again where its acknowledgement was lost, with the same number; none is missing.
    let unique: BTreeSet<i64> = ids.iter().copied().collect();
    let (least, most) = (*unique.first().expect("one"), *unique.last().expect("one"));
    assert_eq!((least, unique.len() as i64), (1, most), "{ids:?}");
    let mut news: Vec<i64> = Vec::new();
    ids.iter().for_each(|id| {
        if news.last().is_none_or(|last| id > last) {
            news.push(*id)
        }
    });
    assert_eq!(news, unique.into_iter().collect::<Vec<_>>(), "{ids:?}");
    let lines = heard.lines.lock().expect("lines");
    let frame = lines.iter().find(|(topic, _)| topic == "plant/belt/frame").expect("a frame");
    for name in ["line", "time", "score", "threshold", "verdict", "bank-id", "objects", "resolution"] {
        assert!(!frame.1[name].is_null(), "{name} in {}", frame.1);
    }
    assert!(lines.iter().any(|(topic, payload)| topic == "plant/status" && payload == "online"), "{lines:?}");
}

/// Sends a message to a broker.
pub(crate) fn publish(port: u16, topic: &str, text: &str, how: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-p", &port.to_string(), "-q", "1", "-t", topic, "-m", text]).args(how);
    assert!(command.status().expect("it starts").success());
}

#[test]
fn a_broker_keeps_the_state_of_each_line_which_is_told_at_most_once_a_second() {
    let Some(dir) = learned() else { return };
    let port = free_port();
    let Some(_broker) = Broker::start(dir.path(), port) else { return };
    let Ok(status) = subscriber(port).arg("-E").status() else {
        return skip("mosquitto", "no mosquitto_sub on this machine");
    };
    assert!(status.success());
    let heard = Heard::start(port);
    let output = format!(
        "[[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {port}\ntopic = 'plant'\nsend = 'parts'\n\
         format = 'snarm'\n"
    );
    let output = format!("[line.parts]\nby = 'frames'\nframes = 2\n{output}");
    let station = Station::start(dir.path(), &output);
    let admin = station.set_up();
    let states = || heard.of("plant/belt/state");
    until("frames are told of", || {
        states().last().is_some_and(|state| state["shift"]["frames"].as_u64() > Some(10))
    });
    let all = states();
    let now = all.last().expect("a state");
    let line = admin.get("/api/lines/belt").json();
    for name in ["threshold", "bank", "line"] {
        assert_eq!(now[name], line[name], "{now}");
    }
    assert_eq!((&now["status"], &now["threshold-low"]), (&Value::from("running"), &line["low"]), "{now}");
    assert!(now["bank-id"].as_str().is_some_and(|digest| !digest.is_empty()), "{now}");
    // Five frames a second change it each time.
    let times: Vec<i64> = all.iter().map(|state| state["time"].as_i64().expect("a time")).collect();
    assert!(times.windows(2).all(|two| two[1] - two[0] > 900), "{times:?}");
    // Parts come beside it, and none is lost for it.
    let ids = heard.ids("plant/belt/part");
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>());
    assert!(!ids.is_empty());
    // It stays when the station is gone, which is told elsewhere.
    drop(station);
    until("the end is told", || heard.of("plant/status").last() == Some(&Value::from("offline")));
    let mut late = Command::new("mosquitto_sub");
    late.args(["-p", &port.to_string(), "-t", "plant/belt/state", "-C", "1", "-W", "30"]);
    let late = late.output().expect("it starts");
    let kept: Value = serde_json::from_slice(&late.stdout).expect("a state");
    assert_eq!(Some(&kept), states().last());
}

#[test]
fn messages_are_written_as_other_programs_read_them() {
    let Some(dir) = learned() else { return };
    let got = ["dlstreamer", "deepstream"].map(|format| {
        let got = Arc::new(Mutex::new(Vec::<Value>::new()));
        let to = Arc::clone(&got);
        let address = webhook(move |_, body| {
            to.lock().expect("frames").push(serde_json::from_slice(body).expect("JSON"));
            true
        });
        let output = format!(
            "[[output]]\nkind = 'webhook'\nname = '{format}'\nurl = 'http://{address}/'\nsend = 'frames'\n\
             format = '{format}'\n"
        );
        (got, output)
    });
    let _station = Station::start(dir.path(), &format!("{}{}", got[0].1, got[1].1));
    until("frames come", || got.iter().all(|(got, _)| got.lock().expect("frames").len() > 1));
    let [intel, nvidia] = got.map(|(got, _)| got.lock().expect("frames")[1].clone());
    assert_eq!(
        (&intel["source"], &intel["resolution"]["width"], &intel["tags"]["frame-number"]),
        (&Value::from("belt"), &Value::from(128), &Value::from(1))
    );
    let whole = intel["objects"].as_array().and_then(|objects| objects.last()).expect("the whole frame");
    assert_eq!((&whole["w"], &whole["h"]), (&Value::from(128), &Value::from(96)), "{intel}");
    assert!(whole["anomaly"]["label"].is_string() && intel["timestamp"].is_u64(), "{intel}");
    assert_eq!(
        (&nvidia["version"], &nvidia["id"], &nvidia["sensorId"]),
        (&Value::from("4.0"), &Value::from("1"), &Value::from("belt"))
    );
    assert!(
        nvidia["objects"].is_array() && nvidia["@timestamp"].as_str().is_some_and(|at| at.ends_with('Z'))
    );
}

#[test]
fn a_web_server_that_fails_gets_every_find_once_it_works() {
    let Some(dir) = learned() else { return };
    let (works, got) =
        (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::<(String, Value)>::new())));
    let (does_work, to) = (Arc::clone(&works), Arc::clone(&got));
    let address = webhook(move |head, body| {
        let works = does_work.load(Ordering::Relaxed);
        if works {
            to.lock().expect("requests").push((head, serde_json::from_slice(body).expect("JSON")));
        }
        works
    });
    std::fs::write(dir.path().join("token"), "the-token\n").expect("a file");
    let output = format!(
        "[[output]]\nkind = 'webhook'\nname = 'mes'\nurl = 'http://{address}/found'\ntoken-file = 'token'\n"
    );
    let station = Station::start(dir.path(), &output);
    let admin = station.set_up();
    let body = serde_json::json!({ "threshold": 0.0, "low": null, "reason": "to see alarms" });
    assert_eq!(admin.post("/api/lines/belt/limits", &body).code, 204);
    until("finds wait", || waiting(&station, &admin) > 1.0);
    assert_eq!(station.metric(&admin, "snarm_output_up"), 0.0);
    works.store(true, Ordering::Relaxed);
    until("finds come", || got.lock().expect("requests").len() > 1);
    let requests = got.lock().expect("requests").clone();
    let ids: Vec<i64> = requests.iter().map(|(_, body)| body["id"].as_i64().expect("a number")).collect();
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>());
    let (head, body) = &requests[0];
    let head = head.to_lowercase();
    assert!(
        head.contains("idempotency-key: 1") && head.contains("authorization: bearer the-token"),
        "{head}"
    );
    assert_eq!((body["line"].as_str(), body["find"].as_i64()), (Some("belt"), Some(1)));
    until("it is told to be up", || station.metric(&admin, "snarm_output_up") == 1.0);
}

#[test]
fn a_web_server_that_fails_gets_the_same_messages_again_where_a_request_has_several() {
    let Some(dir) = learned() else { return };
    let (works, asked, got) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(Mutex::new(Vec::<String>::new())),
        Arc::new(Mutex::new(Vec::<Vec<Value>>::new())),
    );
    let (does_work, to_asked, to_got) = (Arc::clone(&works), Arc::clone(&asked), Arc::clone(&got));
    let address = webhook(move |head, body| {
        let works = does_work.load(Ordering::Relaxed);
        let frames: Vec<Value> = serde_json::from_slice(body).expect("an array");
        match works {
            true => to_got.lock().expect("requests").push(frames),
            false => to_asked.lock().expect("requests").push(head.to_lowercase()),
        }
        works
    });
    let output = format!(
        "[[output]]\nkind = 'webhook'\nname = 'mes'\nurl = 'http://{address}/'\nsend = 'frames'\nbatch = 3\n"
    );
    let station = Station::start(dir.path(), &output);
    let admin = station.set_up();
    // What is refused stays, all of it.
    until("it was asked for three at once, and more wait", || {
        let asked = asked.lock().expect("requests");
        let has_three = asked.last().is_some_and(|head| head.contains("idempotency-key: 1-3\r\n"));
        has_three && waiting(&station, &admin) > 6.0
    });
    works.store(true, Ordering::Relaxed);
    until("frames come", || got.lock().expect("requests").len() > 2);
    let got = got.lock().expect("requests").clone();
    let ids = got.iter().flatten().map(|frame| frame["id"].as_i64().expect("a number"));
    let ids: Vec<i64> = ids.collect();
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>());
    assert!(got[0].len() == 3 && got.iter().all(|frames| (1..=3).contains(&frames.len())), "{got:?}");
    // The first of all may have been asked for when one frame was there.
    let asked = asked.lock().expect("requests").clone();
    assert!(asked.iter().all(|head| head.contains("idempotency-key: 1-")), "{asked:?}");
}

#[test]
fn what_nobody_will_take_is_counted_shown_and_removed_by_command() {
    let Some(dir) = learned() else { return };
    // The first frame is refused whenever it comes.
    let got = Arc::new(Mutex::new(Vec::<i64>::new()));
    let to = Arc::clone(&got);
    let address = answering(move |_, body| {
        let frame: Value = serde_json::from_slice(body).expect("JSON");
        let id = frame["id"].as_i64().expect("a number");
        if id == 1 {
            return "422 Unprocessable Content";
        }
        to.lock().expect("frames").push(id);
        "200 OK"
    });
    let output = |name: &str| {
        format!("[[output]]\nkind = 'webhook'\nname = '{name}'\nurl = 'http://{address}/'\nsend = 'frames'\n")
    };
    let station = Station::start(dir.path(), &output("mes"));
    let admin = station.set_up();
    until("the others come", || got.lock().expect("frames").len() > 2);
    assert_eq!(got.lock().expect("frames")[..3], [2, 3, 4]);
    assert_eq!(station.metric(&admin, "snarm_output_set_aside"), 1.0);
    let system = admin.get("/api/system").json();
    assert_eq!((&system["outputs"][0]["set_aside"], &system["outputs"][0]["lost"]), (&1.into(), &0.into()));
    assert!(system["log"].to_string().contains("message 1 is set aside"), "{}", system["log"]);
    let kept = admin.get("/api/outputs/mes/set-aside").json();
    assert_eq!((&kept[0]["id"], &kept[0]["topic"]), (&1.into(), &"belt/frame".into()));
    assert!(kept[0]["reason"].as_str().is_some_and(|reason| reason.contains("422")), "{kept}");
    assert_eq!(admin.ask("DELETE", "/api/outputs/none/set-aside", b"").code, 404);
    assert_eq!(admin.ask("DELETE", "/api/outputs/mes/set-aside", b"").code, 204);
    assert_eq!(admin.get("/api/outputs/mes/set-aside").json(), Value::Array(Vec::new()));
    drop(station);
    // Beyond what is kept the oldest are lost; nobody listens there.
    let nobody = format!(
        "[keep]\nmessages = 3\n---{}",
        output("mes").replace(&address.to_string(), &format!("127.0.0.1:{}", free_port()))
    );
    let mut station = Station::start(dir.path(), &nobody);
    let admin = station.sign_in(ADMIN);
    until("frames wait", || waiting(&station, &admin) > 6.0);
    // It is looked at when the station begins, and once a minute.
    station.kill();
    let station = Station::start(dir.path(), &nobody);
    let admin = station.sign_in(ADMIN);
    until("some are lost", || station.metric(&admin, "snarm_output_lost_total") > 3.0);
    drop(station);
    // The output is there no more.
    let station = Station::start(dir.path(), "");
    let admin = station.sign_in(ADMIN);
    let gone = || admin.get("/api/system").json()["gone"].clone();
    until("it is known to be gone", || gone()[0]["output"] == "mes");
    assert!(gone()[0]["messages"].as_u64() > Some(2), "{}", gone());
    assert_eq!(admin.ask("DELETE", "/api/outputs/plant", b"").code, 404);
    assert_eq!(admin.ask("DELETE", "/api/outputs/mes", b"").code, 204);
    assert_eq!(gone(), Value::Array(Vec::new()));
}

/// A server at the address, which answers that it has taken what `take`, given head and body of a request, has taken.
pub(crate) fn webhook(take: impl Fn(String, &[u8]) -> bool + Send + 'static) -> SocketAddr {
    answering(move |head, body| if take(head, body) { "200 OK" } else { "503 Service Unavailable" })
}

/// A server at the address, which answers what `answer` says to head and body of a request.
fn answering(answer: impl Fn(String, &[u8]) -> &'static str + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (head, body) = request(&stream);
            let code = answer(head, &body);
            let text = format!("HTTP/1.1 {code}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = (&stream).write_all(text.as_bytes());
        }
    };
    std::thread::Builder::new().name("webhook".into()).spawn(serve).expect("a thread");
    address
}

/// Head and body of a request.
fn request(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).expect("a line") == 0 {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).expect("a body");
    (head, body)
}

#[test]
fn a_plc_reads_registers_and_writes_none() {
    let Some(dir) = learned() else { return };
    let port = free_port();
    let output = format!("[[output]]\nkind = 'modbus'\nname = 'plc'\nlisten = '127.0.0.1:{port}'\n");
    let station = Station::start(dir.path(), &output);
    let admin = station.set_up();
    until("frames are judged", || admin.get("/api/lines/belt").json()["status"] == "running");
    // Function 4, input registers, and 3, holding registers: 12 from address 0.
    for function in [4, 3] {
        let answer = modbus(port, &[function, 0, 0, 0, 12]);
        assert_eq!(answer[..2], [function, 24], "{answer:?}");
        let register = |at: usize| u16::from_be_bytes([answer[2 + 2 * at], answer[3 + 2 * at]]);
        let line = admin.get("/api/lines/belt").json();
        assert_eq!((register(1), register(5)), (2, 1));
        assert!((1..=3).contains(&register(2)) && register(3) <= 10_000 && register(7) > 0);
        let limit = (line["threshold"].as_f64().expect("a limit") * 10_000.0).round() as u16;
        assert_eq!(register(4), limit);
    }
    // Beyond the last line, and writing: exceptions 2 and 1.
    assert_eq!(modbus(port, &[4, 0, 15, 0, 6]), [0x84, 2]);
    assert_eq!(modbus(port, &[4, 0xff, 0xff, 0, 125]), [0x84, 2]);
    assert_eq!(modbus(port, &[6, 0, 0, 0, 1]), [0x86, 1]);
}

/// Sends a request of the protocol and returns the answer, without the heads of both.
pub(crate) fn modbus(port: u16, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    let length = u8::try_from(request.len() + 1).expect("a short request");
    stream.write_all(&[&[0, 7, 0, 0, 0, length, 1], request].concat()).expect("a request");
    let mut head = [0; 7];
    stream.read_exact(&mut head).expect("a head");
    assert_eq!(head[..4], [0, 7, 0, 0]);
    let mut answer = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) - 1];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}
