//! A fast line: a hundred results a second go through all outputs at the same time, none lost, none twice, in order, and
//! the memory of the station stays what it is.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use opcua::client::IdentityToken;
use opcua::crypto::SecurityPolicy;
use serde_json::Value;
use snarm_tests::skip::skip;

use crate::common::{Station, Visitor, learned, until, with_player};
use crate::opc_ua::{Client, certificate};
use crate::outputs::{Broker, Heard, free_port, modbus, subscriber, webhook};
use crate::run::target;

/// Results a second.
const RATE: usize = 100;

/// Results.
const COUNT: usize = 1000;

/// Most memory that the station may have more than after the first second. It is less than all messages, so that who
/// keeps them is found; what it has more are the last 1,024 results, and what SQLite keeps of its file.
const GROWTH: u64 = 20 << 20;

/// Results that OPC UA keeps.
const KEPT: u32 = 300;

/// Stands for `snarm-player watch`: once there is a file `go`, it tells results of 64 regions each, and goes on without
/// any. It ends when it is told to, or when the station is gone.
const PLAYER: &str = r#"#!/usr/bin/env python3
import json, os, sys, threading, time

def obey():
    for line in sys.stdin:
        if json.loads(line).get("stop"):
            break
    os._exit(0)

threading.Thread(target=obey, daemon=True).start()
while not os.path.exists("go"):
    time.sleep(0.02)
region = {"id": 0, "x": 0.251234, "y": 0.501234, "w": 0.121234, "h": 0.061234, "score": 0.834512,
          "score-mean": 0.634512, "area": 0.012345, "cx": 0.312345, "cy": 0.531234}
began = time.monotonic()
for frame in range(COUNT):
    time.sleep(max(0, began + frame / RATE - time.monotonic()))
    print(json.dumps({"frame-number": frame, "score": 0.2 + frame % 100 / 1000, "threshold": 0.5,
                      "verdict": "normal", "regions": [region] * 64}), flush=True)
while True:
    time.sleep(1)
"#;

/// Figures of `/metrics` of a name, one for each line or output.
fn figures(visitor: &Visitor, name: &str) -> Vec<f64> {
    let text = visitor.get("/metrics").text();
    let of = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    of.map(|line| line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")).collect()
}

/// Frames of the shift by the registers of a PLC.
fn registers(port: u16) -> usize {
    let answer = modbus(port, &[4, 0, 6, 0, 2]);
    let bytes = answer[2..].try_into().expect("two registers");
    u32::from_be_bytes(bytes) as usize
}

#[test]
fn a_hundred_results_a_second_go_through_every_output_and_no_memory_is_kept() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    let (broker_port, plc_port, scada_port) = (free_port(), free_port(), free_port());
    let Some(_broker) = Broker::start(dir, broker_port) else { return };
    let Ok(status) = subscriber(broker_port).arg("-E").status() else {
        return skip("mosquitto", "no mosquitto_sub on this machine");
    };
    assert!(status.success());
    if !certificate(dir, "reader") {
        return;
    }
    let posted = Arc::new(Mutex::new(Vec::<Value>::new()));
    let to = Arc::clone(&posted);
    let address = webhook(move |_, body| {
        let frames: Vec<Value> = serde_json::from_slice(body).expect("an array");
        to.lock().expect("frames").extend(frames);
        true
    });
    let more = format!(
        "[[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {broker_port}\ntopic = 'plant'\n\
         send = 'frames'\n\
         [[output]]\nkind = 'webhook'\nname = 'mes'\nurl = 'http://{address}/frame'\nsend = 'frames'\n\
         batch = 100\n\
         [[output]]\nkind = 'modbus'\nname = 'plc'\nlisten = '127.0.0.1:{plc_port}'\n\
         [[output]]\nkind = 'opcua'\nname = 'scada'\nlisten = '127.0.0.1:{scada_port}'\nsend = 'frames'\n\
         keep = {KEPT}\nanonymous = 'always'\nunencrypted = true\ncertificate = 'reader.pem'\nkey = 'reader.key'\n"
    );
    let player = PLAYER.replace("COUNT", &COUNT.to_string()).replace("RATE", &RATE.to_string());
    let programs = tempfile::tempdir_in(target()).expect("a folder");
    let station = Station::start_by(&with_player(programs.path(), &player), dir, &more);
    let admin = station.set_up();
    until("all outputs are up", || figures(&admin, "snarm_output_up") == [1.0; 4]);
    let heard = Heard::start(broker_port);
    let told = || {
        let lines = heard.lines.lock().expect("lines");
        lines.iter().filter(|(topic, _)| topic == "plant/belt/frame").count()
    };
    until("the subscriber is there", || !heard.lines.lock().expect("lines").is_empty());
    let client = Client::connect(dir, scada_port, SecurityPolicy::None, IdentityToken::Anonymous);
    let client = client.expect("anybody may read");
    client.subscribe();

    std::fs::write(dir.join("go"), "").expect("a file");
    until("the first second is over", || registers(plc_port) >= RATE && told() > 0);
    let (began, memory) = (Instant::now(), station.memory());
    let (mut most, mut most_waiting, mut count) = (memory, 0.0_f64, 0);
    until("all are judged", || {
        let waiting = figures(&admin, "snarm_output_waiting").into_iter().fold(0.0, f64::max);
        (most, most_waiting) = (most.max(station.memory()), most_waiting.max(waiting));
        let (before, frames) = (count, figures(&admin, "snarm_frames_total")[0] as usize);
        count = registers(plc_port);
        // Both are asked one after the other, while frames come.
        assert!(before <= frames && frames <= count, "{before} {frames} {count}");
        frames == COUNT
    });
    let took = began.elapsed();
    let posts = || posted.lock().expect("frames").len();
    until("all are taken", || told() >= COUNT && posts() >= COUNT && client.heard().len() >= COUNT);
    until("nothing waits", || figures(&admin, "snarm_output_waiting") == [0.0; 4]);
    most = most.max(station.memory());

    // Each has all of them, once, in order.
    let all: Vec<u64> = (0..COUNT as u64).collect();
    let number = |frame: &Value| frame["frame-number"].as_u64().expect("a number");
    let lines = heard.lines.lock().expect("lines");
    let frames = lines.iter().filter(|(topic, _)| topic == "plant/belt/frame");
    assert_eq!(frames.map(|(_, frame)| number(frame)).collect::<Vec<_>>(), all, "MQTT");
    let posted = posted.lock().expect("frames");
    assert_eq!(posted.iter().map(number).collect::<Vec<_>>(), all, "webhook");
    let ids = client.heard();
    assert!(ids.len() == COUNT && ids.windows(2).all(|two| two[0] < two[1]), "OPC UA: {ids:?}");
    assert_eq!((registers(plc_port), figures(&admin, "snarm_frames_total")), (COUNT, vec![COUNT as f64]));
    // What OPC UA keeps is as much as it says.
    until("the oldest are forgotten", || client.list(0, 1, KEPT).0.is_empty());
    assert_eq!(client.list(0, 1, KEPT - 1).0.last(), ids.last());

    // Nothing was kept in memory. How long it took, and how many waited, hangs on what else the machine does.
    let bytes: usize = posted.iter().map(|frame| frame.to_string().len()).sum();
    assert!(3 * bytes as u64 > GROWTH, "messages of {bytes} bytes would show nothing");
    let grown = most.saturating_sub(memory);
    println!("{took:?} after the first second, at most {most_waiting} waited, {} KiB more", grown >> 10);
    assert!(grown < GROWTH, "it had {} KiB, and {} KiB more later", memory >> 10, grown >> 10);
}
