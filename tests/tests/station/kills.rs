//! A station that is killed at any moment, again and again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::common::{ADMIN, Station, learned, until};
use crate::is_running;
use crate::outputs::{waiting, webhook};

/// How often it is killed.
const KILLS: usize = 50;

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
    // Each frame is a part, whose numbers count what is stored.
    let more = format!(
        "[line.parts]\nby = 'frames'\nframes = 1\n[[output]]\nkind = 'webhook'\nname = 'mes'\n\
         url = 'http://{address}/part'\nsend = 'parts'\n"
    );
    let mut station = Station::start(dir.path(), &more);
    station.set_up();
    let mut children: Vec<u32> = Vec::new();
    for time in times().take(KILLS) {
        std::thread::sleep(time);
        children.extend(station.children());
        station.kill();
        station = Station::start(dir.path(), &more);
    }
    // Whenever that was, no pipeline outlives its station.
    until("all pipelines have ended", || !children.iter().any(|child| is_running(*child)));
    let admin = station.sign_in(ADMIN);
    let parts = || admin.get("/api/lines/belt").json()["shift"]["parts"].as_u64();
    assert!(parts() > Some(KILLS as u64 / 2), "it was given the time to judge, found {:?} parts", parts());
    let before = parts();
    until("it judges again", || parts() > before);
    // Asked to end, it sends what it has; the next one has what was left.
    drop(station);
    let idle = more.replace("frames = 1", "frames = 1000000");
    let station = Station::start(dir.path(), &idle);
    let admin = station.sign_in(ADMIN);
    until("everything is sent", || waiting(&station, &admin) == 0.0);
    let parts = admin.get("/api/lines/belt/parts").json();
    let parts = parts.as_array().expect("parts");
    let stored = parts.iter().find(|part| part["ended"].is_i64()).expect("a part that ended");
    let stored = stored["number"].as_i64().expect("a number");
    let got = got.lock().expect("parts").clone();
    let numbers = |name: &str| -> Vec<i64> {
        let mut all: Vec<i64> = got.iter().map(|part| part[name].as_i64().expect("a number")).collect();
        assert!(all.is_sorted(), "{name} come in order: {all:?}");
        all.dedup();
        all
    };
    assert_eq!(numbers("number"), (1..=stored).collect::<Vec<_>>(), "parts");
    assert_eq!(numbers("id"), (1..=stored).collect::<Vec<_>>(), "messages");
    // What came twice is the same.
    let again = got.windows(2).filter(|two| two[0]["id"] == two[1]["id"]);
    assert!(again.clone().all(|two| two[0] == two[1]));
    println!("{KILLS} kills, {stored} parts, {} came twice", again.count());
}
