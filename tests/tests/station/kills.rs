//! A station that is killed at any moment, again and again, by each way to send.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use snarm_tests::skip::skip;

use crate::common::{ADMIN, Station, learned, until};
use crate::hub::{Server, lines, table};
use crate::is_running;
use crate::outputs::{Broker, Heard, free_port, subscriber, waiting, webhook};
use crate::run::run;

/// How often it is killed while it sends to a web server.
const KILLS: usize = 50;

/// How often while it sends to a broker, or to a hub.
const FEWER: usize = 10;

/// Each frame is a part, whose numbers count what is stored.
const PARTS: &str = "[line.parts]\nby = 'frames'\nframes = 1\n";

/// Longest time that it is left alone, in milliseconds: it starts, judges and sends within that.
const LONGEST: u64 = 4000;

/// Times of a stream that is the same in each run.
fn times() -> impl Iterator<Item = Duration> {
    let step = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(Some(20), step).skip(1).map(|state| Duration::from_millis((state >> 33) % LONGEST))
}

#[test]
fn what_was_stored_is_what_was_sent_though_the_station_is_killed_fifty_times() {
    let Some(dir) = learned() else { return };
    let got = Arc::new(Mutex::new(Vec::<Value>::new()));
    let to = Arc::clone(&got);
    // Who is killed while it sends has sent nothing.
    let address = webhook(move |_, body| {
        let part = serde_json::from_slice(body).ok();
        let is_whole = part.is_some();
        to.lock().expect("parts").extend(part);
        is_whole
    });
    let more = format!(
        "{PARTS}[[output]]\nkind = 'webhook'\nname = 'mes'\nurl = 'http://{address}/part'\nsend = 'parts'\n"
    );
    let stored = stored_though_killed(dir.path(), &more, KILLS);
    let got = got.lock().expect("parts").clone();
    all_came(&got, stored, true);
    let again = got.windows(2).filter(|two| two[0]["id"] == two[1]["id"]).count();
    println!("{KILLS} kills, {stored} parts, {again} came twice");
}

#[test]
fn a_broker_has_what_was_stored_though_the_station_is_killed_ten_times() {
    let Some(dir) = learned() else { return };
    let port = free_port();
    let Some(_broker) = Broker::start(dir.path(), port) else { return };
    let Ok(status) = subscriber(port).arg("-E").status() else {
        return skip("mosquitto", "no mosquitto_sub on this machine");
    };
    assert!(status.success());
    let heard = Heard::start(port);
    let more = format!(
        "{PARTS}[[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {port}\ntopic = 'plant'\n\
         send = 'parts'\n"
    );
    let stored = stored_though_killed(dir.path(), &more, FEWER);
    let got = || heard.of("plant/belt/part");
    until("the subscriber has the last", || got().last().is_some_and(|part| part["number"] == stored));
    // What was on its way when it was killed comes again, several at a time.
    all_came(&got(), stored, false);
}

#[test]
fn a_hub_has_what_was_stored_once_though_the_station_is_killed_ten_times() {
    let Some(dir) = learned() else { return };
    let (dir, port) = (dir.path(), free_port());
    let Some(_server) = Server::start(dir, port) else { return };
    table(dir, port, "ann", "");
    run(dir, "hub init --config ann.toml", 0);
    let more = format!("{PARTS}{}", table(dir, port, "north", "send = ['parts']\n"));
    let stored = stored_though_killed(dir, &more, FEWER);
    let got = lines(dir, "hub read results --station north --config ann.toml");
    let numbers: Vec<i64> = got.iter().map(|part| part["number"].as_i64().expect("a number")).collect();
    assert_eq!(numbers, (1..=stored).collect::<Vec<_>>(), "each once");
}

/// Kills a station of that configuration so often, and lets the last one send what is left. Returns the number of the last
/// part that was stored.
fn stored_though_killed(dir: &Path, more: &str, kills: usize) -> i64 {
    let mut station = Station::start(dir, more);
    station.set_up();
    let mut children: Vec<u32> = Vec::new();
    for time in times().take(kills) {
        std::thread::sleep(time);
        children.extend(station.children());
        station.kill();
        station = Station::start(dir, more);
    }
    // Whenever that was, no pipeline outlives its station.
    until("all pipelines have ended", || !children.iter().any(|child| is_running(*child)));
    let admin = station.sign_in(ADMIN);
    let parts = || admin.get("/api/lines/belt").json()["shift"]["parts"].as_u64();
    let before = parts();
    until("it judges again", || parts() > before);
    assert!(parts() > Some(kills as u64 / 2), "it was given the time to judge, found {:?} parts", parts());
    // Asked to end, it sends what it has; the next one has what was left.
    drop(station);
    let station = Station::start(dir, &more.replace("frames = 1\n", "frames = 1000000\n"));
    let admin = station.sign_in(ADMIN);
    until("everything is sent", || waiting(&station, &admin) == 0.0);
    let parts = admin.get("/api/lines/belt/parts").json();
    let parts = parts.as_array().expect("parts");
    let stored = parts.iter().find(|part| part["ended"].is_i64()).expect("a part that ended");
    stored["number"].as_i64().expect("a number")
}

/// Looks at what came: all that was stored, in order, and what came again is the same. `is_one` says that one message is on
/// its way at a time, so that only the last one comes again; of several those since an earlier one do.
fn all_came(got: &[Value], stored: i64, is_one: bool) {
    for name in ["number", "id"] {
        let all: Vec<i64> = got.iter().map(|part| part[name].as_i64().expect("a number")).collect();
        assert!(!is_one || all.is_sorted(), "{name} come in order: {all:?}");
        // Who leaves out what is not greater than the last one has each once.
        let mut news: Vec<i64> = Vec::new();
        for number in all {
            if news.last().is_none_or(|last| number > *last) {
                news.push(number);
            }
        }
        assert_eq!(news, (1..=stored).collect::<Vec<_>>(), "{name}");
    }
    for (at, part) in got.iter().enumerate() {
        let first = got.iter().position(|other| other["id"] == part["id"]).expect("itself");
        assert!(first == at || &got[first] == part, "what comes again is the same: {part}");
    }
}
