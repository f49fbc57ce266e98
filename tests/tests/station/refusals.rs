//! What a station refuses: each with the code and the words of the refusal.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::common::{ADMIN, PASSWORD, Station, learned, until};

/// Requests that are sent at once.
const AT_ONCE: usize = 1000;

/// Most requests.
const MOST: usize = 20_000;

#[test]
fn nobody_comes_in_without_a_code_a_password_or_a_token() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let stranger = station.stranger();
    for path in [
        "/api/me",
        "/api/lines",
        "/api/lines/belt",
        "/api/lines/belt/events",
        "/api/lines/belt/live",
        "/api/finds/1/frame",
        "/api/audit",
        "/api/people",
        "/metrics",
    ] {
        assert_eq!(stranger.get(path).code, 401, "{path}");
    }
    // Health tells no names.
    assert!(!stranger.get("/healthz").text().contains("belt"));
    let first = |code: &str, password: &str| {
        stranger.post("/api/setup", &json!({ "code": code, "name": ADMIN, "password": password }))
    };
    assert_eq!(first("AAAABBBBCCCC", PASSWORD).code, 401);
    assert_eq!(first(station.code(), "short").code, 400);
    assert_eq!(first(station.code(), PASSWORD).code, 200);
    // The code holds once.
    assert_eq!(first(station.code(), PASSWORD).code, 409);
    assert_eq!(stranger.get(&format!("/enter?code={}", station.code())).code, 401);
    assert_eq!(stranger.with("Authorization", Some("Bearer made-up")).get("/api/me").code, 401);
    assert_eq!(stranger.with("Authorization", Some("Basic YTpi")).get("/api/me").code, 401);
    assert_eq!(stranger.with("Cookie", Some("snarm-station=made-up")).get("/api/me").code, 401);
    let admin = station.sign_in(ADMIN);
    assert_eq!(admin.get("/api/me").code, 200);
    assert_eq!(admin.post("/api/sign-out", &json!({})).code, 204);
    assert_eq!(admin.get("/api/me").code, 401);
}

#[test]
fn every_role_may_what_it_is_for_and_no_more() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let admin = station.set_up();
    for role in ["viewer", "operator", "engineer"] {
        let person = json!({ "name": role, "role": role, "password": PASSWORD });
        assert_eq!(admin.post("/api/people", &person).code, 204);
    }
    let limits = json!({ "threshold": 0.9, "low": null, "reason": "a test" });
    let undo = ("/api/lines/belt/undo", json!({}), 404);
    let change = ("/api/lines/belt/limits", limits, 204);
    let person = ("/api/people", json!({ "name": "x", "role": "viewer", "password": PASSWORD }), 204);
    for (role, may) in [("viewer", 0), ("operator", 1), ("engineer", 2), (ADMIN, 3)] {
        let visitor = station.sign_in(role);
        assert_eq!(visitor.get("/api/lines/belt").code, 200, "{role}");
        for (at, (path, body, done)) in [&undo, &change, &person].into_iter().enumerate() {
            let answer = visitor.post(path, body);
            let expected = if at < may { *done } else { 403 };
            assert_eq!(answer.code, expected, "{role} {path} {}", answer.text());
        }
    }
    // A token has its role alone, needs no origin, and ends when it is removed.
    let made = admin.post("/api/tokens", &json!({ "name": "mes", "role": "viewer" })).json();
    let token = format!("Bearer {}", made["token"].as_str().expect("a token"));
    let program = station.stranger().with("Origin", None).with("Authorization", Some(&token));
    assert_eq!((program.get("/metrics").code, program.post(undo.0, &undo.1).code), (200, 403));
    let id = admin.get("/api/tokens").json()[0]["id"].as_i64().expect("a number");
    assert_eq!(admin.ask("DELETE", &format!("/api/tokens/{id}"), &[]).code, 204);
    assert_eq!(program.get("/metrics").code, 401);
    // Whoever is removed is out at once; the last admin stays.
    let operator = station.sign_in("operator");
    assert_eq!(admin.ask("DELETE", "/api/people/operator", &[]).code, 204);
    assert_eq!(operator.get("/api/me").code, 401);
    assert_eq!(admin.ask("DELETE", &format!("/api/people/{ADMIN}"), &[]).code, 404);
}

#[test]
fn a_browser_of_another_site_changes_nothing() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let admin = station.set_up();
    let body = json!({ "threshold": 0.9, "low": null, "reason": "a test" });
    for origin in [None, Some("null"), Some("http://evil.example"), Some("http://127.0.0.1:1")] {
        let answer = admin.with("Origin", origin).post("/api/lines/belt/limits", &body);
        assert_eq!(answer.code, 403, "{origin:?} {}", answer.text());
        let sign_in = json!({ "name": ADMIN, "password": PASSWORD });
        assert_eq!(admin.with("Origin", origin).post("/api/sign-in", &sign_in).code, 403, "{origin:?}");
    }
    let entry = station.stranger().post("/api/sign-in", &json!({ "name": ADMIN, "password": PASSWORD }));
    let cookie = entry.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let policy = admin.get("/").header("content-security-policy").expect("a policy").to_owned();
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
}

#[test]
fn a_name_that_was_typed_fills_no_list() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let admin = station.set_up();
    let typed = json!({ "name": "x".repeat(65_000), "password": "not the password" });
    assert_eq!(station.stranger().post("/api/sign-in", &typed).code, 401);
    let last = &admin.get("/api/audit").json()[0];
    assert_eq!(
        (last["what"].as_str(), last["detail"].as_str()),
        (Some("failed sign-in"), Some(&*"x".repeat(40)))
    );
}

#[test]
fn guessing_passwords_has_to_wait() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    station.set_up();
    let stranger = station.stranger();
    let tries =
        |password: &str| stranger.post("/api/sign-in", &json!({ "name": ADMIN, "password": password }));
    for _ in 0..5 {
        assert_eq!(tries("not the password").code, 401);
    }
    // Now the right one waits as well, and nobody learns whether it was.
    let refused = tries(PASSWORD);
    assert_eq!(refused.code, 429, "{}", refused.text());
    let seconds: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("a time");
    assert!((1..=61).contains(&seconds), "{seconds}");
}

#[test]
fn a_client_that_sends_too_many_requests_has_to_wait() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let stranger = station.stranger();
    assert_eq!(stranger.get("/icon.svg").code, 200);
    // One after the other on one connection, without waiting for answers.
    let mut stream = TcpStream::connect(&station.address).expect("the station listens");
    let mut to = stream.try_clone().expect("a stream");
    let many = format!("HEAD /icon.svg HTTP/1.1\r\nHost: {}\r\n\r\n", station.address).repeat(AT_ONCE);
    let last = format!("HEAD /icon.svg HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", station.address);
    // A slow machine asks for a while until it asks too much.
    let is_refused = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&is_refused);
    let send = move || {
        let mut sent = 0;
        while sent < MOST && !is_enough.load(Ordering::Relaxed) {
            to.write_all(many.as_bytes()).expect("requests");
            sent += AT_ONCE;
        }
        to.write_all(last.as_bytes()).expect("the last request");
        sent + 1
    };
    let sending = std::thread::Builder::new().name("requests".into()).spawn(send).expect("a thread");
    let (mut answers, mut part) = (Vec::new(), vec![0; 64 << 10]);
    let refusal = b"HTTP/1.1 429 ";
    loop {
        let read = stream.read(&mut part).expect("answers");
        if read == 0 {
            break;
        }
        let from = answers.len().saturating_sub(refusal.len());
        answers.extend_from_slice(&part[..read]);
        if answers[from..].windows(refusal.len()).any(|bytes| bytes == refusal) {
            is_refused.store(true, Ordering::Relaxed);
        }
    }
    let sent = sending.join().expect("it ends");
    let answers = String::from_utf8(answers).expect("text");
    let count = |code: &str| answers.matches(&format!("HTTP/1.1 {code} ")).count();
    let (taken, refused) = (count("200"), count("429"));
    assert!(taken + refused == sent && taken >= 1999 && refused > 0, "{taken} {refused} of {sent}");
    assert_eq!(answers.to_lowercase().matches("retry-after: 1\r\n").count(), refused);
    // Soon it may ask again.
    until("it is answered", || stranger.get("/icon.svg").code == 200);
}

#[test]
fn paths_names_and_bodies_of_strangers_stay_what_they_are() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "");
    let admin = station.set_up();
    std::fs::write(dir.path().join("data/secret.png"), b"secret").expect("a file");
    for path in [
        "/api/finds/../secret/frame",
        "/api/finds/..%2fsecret/frame",
        "/api/finds/%2e%2e%2fsecret/frame",
        "/api/finds/1%00/frame",
        "/api/finds/-1/frame",
        "/../data/secret.png",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/api/lines/..%2f..%2fbelt",
    ] {
        let answer = admin.get(path);
        assert!([400, 404].contains(&answer.code), "{path}: {} {}", answer.code, answer.text());
        assert_ne!(answer.body, b"secret", "{path}");
    }
    // Names are data: they come back as they were, as JSON that no browser takes for a page.
    let name = "<script>alert(1)</script>";
    let person = json!({ "name": name, "role": "viewer", "password": PASSWORD });
    assert_eq!(admin.post("/api/people", &person).code, 204);
    let people = admin.get("/api/people");
    assert_eq!(people.header("content-type"), Some("application/json"));
    assert_eq!(people.header("x-content-type-options"), Some("nosniff"));
    assert!(people.json().as_array().expect("people").iter().any(|person| person["name"] == name));
    for name in ["", "a\u{7}b", &"x".repeat(41)] {
        let person = json!({ "name": name, "role": "viewer", "password": PASSWORD });
        assert_eq!(admin.post("/api/people", &person).code, 400, "{name:?}");
    }
    // Bodies are small, and what the API knows.
    let large = json!({ "name": "x".repeat(100_000), "role": "viewer", "password": PASSWORD });
    let refused = admin.post("/api/people", &large);
    assert_eq!(refused.code, 413);
    assert!(refused.json()["error"].as_str().is_some_and(|text| text.contains("65536 bytes")));
    assert_eq!(
        admin.post("/api/people", &json!({ "name": "x", "role": "king", "password": PASSWORD })).code,
        422
    );
    assert_eq!(admin.post("/api/lines/belt/undo", &json!({ "deep": 1 })).code, 404);
    assert_eq!(admin.ask("POST", "/api/people", b"no json").code, 400);
    assert_eq!(admin.ask("PUT", "/api/people", b"{}").code, 405);
    let limits = |threshold: f64, low: f64| {
        admin
            .post(
                "/api/lines/belt/limits",
                &json!({ "threshold": threshold, "low": low, "reason": "a test" }),
            )
            .code
    };
    assert_eq!((limits(1.5, 0.1), limits(0.5, 0.6), limits(0.5, -0.1)), (400, 400, 400));
}

#[test]
fn looking_without_signing_in_is_for_those_who_configured_it() {
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "open-viewing = true---");
    let stranger = station.stranger();
    assert_eq!((stranger.get("/api/lines/belt").code, stranger.get("/metrics").code), (200, 200));
    assert_eq!(stranger.post("/api/lines/belt/undo", &json!({})).code, 403);
    assert_eq!(stranger.get("/api/audit").code, 403);
}
