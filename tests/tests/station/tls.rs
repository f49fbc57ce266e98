//! TLS: pages that are served by it, a broker that is reached by it, and whoever is not trusted.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use snarm_tests::skip::skip;

use crate::common::{ADMIN, PASSWORD, Station, learned, until};
use crate::outputs::{Broker, free_port, waiting};
use crate::run;

/// Makes two authorities, `ca.pem` and `other.pem`, and for this machine `server.pem` with `server.key`, and
/// `station.pem` with `station.key`, for which the first vouches. False where there is no openssl.
fn certificates(dir: &Path) -> bool {
    if Command::new("openssl").arg("version").output().is_err() {
        skip("openssl", "no openssl on this machine");
        return false;
    }
    let openssl = |line: &str| {
        let output =
            Command::new("openssl").args(line.split(' ')).current_dir(dir).output().expect("openssl starts");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        openssl(&format!("req -x509 {key} -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"));
    }
    std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").expect("a file");
    for (name, shown) in [("server", "localhost"), ("station", "station")] {
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={shown}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile names"
        ));
    }
    true
}

/// Asks a station by TLS as who trusts an authority does: head and body, or nothing where the station is not trusted.
fn ask(dir: &Path, station: &Station, authority: &str, path: &str, more: &[&str]) -> Option<String> {
    let url = format!("https://{}{path}", station.address);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--include", "--noproxy", "*", "--max-time", "60", "--cacert", authority])
        .args(more);
    let output = curl.arg(url).current_dir(dir).output().expect("curl starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn pages_by_tls_have_a_cookie_that_goes_no_other_way() {
    let Some(dir) = learned() else { return };
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl", "no curl on this machine");
    }
    let dir = dir.path();
    if !certificates(dir) {
        return;
    }
    let station = Station::start(dir, "tls-certificate = 'server.pem'\ntls-key = 'server.key'---");
    assert!(ask(dir, &station, "ca.pem", "/", &[]).is_some_and(|page| page.contains("<main")));
    assert_eq!(ask(dir, &station, "other.pem", "/", &[]), None, "an authority that does not vouch for it");
    let body = json!({ "code": station.code(), "name": ADMIN, "password": PASSWORD }).to_string();
    let origin = format!("Origin: https://{}", station.address);
    let post = ["--header", "Content-Type: application/json", "--header", &origin, "--data", &body];
    let entered = ask(dir, &station, "ca.pem", "/api/setup", &post).expect("an answer");
    let cookie =
        entered.lines().find(|line| line.to_lowercase().starts_with("set-cookie")).expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("; Secure"), "{cookie}");
    let pair = cookie.split_once(": ").expect("a value").1.split(';').next().expect("a pair");
    let me = ask(dir, &station, "ca.pem", "/api/me", &["--cookie", pair]).expect("an answer");
    assert!(me.contains("\"admin\""), "{me}");
    // Who begins a handshake and does no more stops nobody, and without TLS nothing is told.
    let idle: Vec<_> =
        (0..8).map(|_| std::net::TcpStream::connect(&station.address).expect("it listens")).collect();
    assert!(ask(dir, &station, "ca.pem", "/healthz", &[]).is_some());
    drop(idle);
    let mut plain = Command::new("curl");
    plain.args(["--silent", "--noproxy", "*"]).arg(format!("http://{}/", station.address));
    assert!(plain.output().expect("curl starts").stdout.iter().all(|byte| *byte != b'<'));
}

#[test]
fn certificates_that_do_not_fit_are_told_before_anything_starts() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    if !certificates(dir) {
        return;
    }
    for (certificate, key, words) in [
        ("server.pem", "ca.key", "a certificate and its own key"),
        ("server.key", "server.key", "expected a CERTIFICATE in PEM, found none"),
        ("server.pem", "server.pem", "expected a PRIVATE KEY without a password in PEM, found none"),
        ("none.pem", "server.key", "tls-certificate: cannot read"),
    ] {
        let config = format!(
            "data = 'd'\ntls-certificate = '{certificate}'\ntls-key = '{key}'\n[[line]]\nname = 'a'\npipeline = 'x'\nbank = 'b'\n"
        );
        std::fs::write(dir.join("wrong.toml"), config).expect("a file");
        let output = run::run(dir, "station wrong.toml", 1);
        let text = run::stderr(&output);
        assert!(text.contains(words) && text.contains(certificate), "{words} in {text}");
    }
}

#[test]
fn a_broker_is_spoken_to_by_tls_if_the_right_authority_vouches_for_it() {
    let Some(dir) = learned() else { return };
    if !certificates(dir.path()) {
        return;
    }
    let port = free_port();
    let tls = "cafile ca.pem\ncertfile server.pem\nkeyfile server.key\n";
    let Some(_broker) = Broker::start_with(dir.path(), port, tls) else { return };
    let output = |authority: &str| {
        format!(
            "[[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {port}\nca-file = '{authority}'\nsend = 'frames'\n"
        )
    };
    let mut station = Station::start(dir.path(), &output("other.pem"));
    let admin = station.set_up();
    until("frames wait", || waiting(&station, &admin) > 3.0);
    let lamps = admin.get("/api/lines/belt").json()["lamps"].to_string();
    assert!(lamps.contains("cannot reach the broker") && lamps.contains("UnknownIssuer"), "{lamps}");
    assert_eq!(station.metric(&admin, "snarm_output_up"), 0.0);
    station.kill();
    let station = Station::start(dir.path(), &output("ca.pem"));
    let admin = station.sign_in(ADMIN);
    until("frames are taken", || {
        waiting(&station, &admin) < 3.0 && station.metric(&admin, "snarm_output_up") == 1.0
    });
}

#[test]
fn a_broker_that_asks_who_speaks_knows_the_station_by_its_certificate() {
    let Some(dir) = learned() else { return };
    if !certificates(dir.path()) {
        return;
    }
    let port = free_port();
    let tls = "cafile ca.pem\ncertfile server.pem\nkeyfile server.key\nrequire_certificate true\n";
    let Some(_broker) = Broker::start_with(dir.path(), port, tls) else { return };
    let output = |more: &str| {
        format!(
            "[[output]]\nkind = 'mqtt'\nname = 'plant'\nhost = '127.0.0.1'\nport = {port}\nca-file = 'ca.pem'\nsend = 'frames'\n{more}"
        )
    };
    // Nobody vouches for the second but itself; the third is none of its own.
    let mut station = Station::start(dir.path(), &output(""));
    let mut admin = station.set_up();
    for (certificate, key, words) in [
        ("", "", "broker"),
        ("other.pem", "other.key", "broker"),
        ("station.pem", "other.key", "a certificate and its own key"),
    ] {
        if !key.is_empty() {
            station.kill();
            station = Station::start(
                dir.path(),
                &output(&format!("certificate = '{certificate}'\nkey = '{key}'\n")),
            );
            admin = station.sign_in(ADMIN);
        }
        until("the broker takes nothing", || {
            let lamps = admin.get("/api/lines/belt").json()["lamps"].to_string();
            waiting(&station, &admin) > 1.0 && lamps.contains(words)
        });
        assert_eq!(station.metric(&admin, "snarm_output_up"), 0.0, "{certificate}");
    }
    station.kill();
    let station = Station::start(dir.path(), &output("certificate = 'station.pem'\nkey = 'station.key'\n"));
    let admin = station.sign_in(ADMIN);
    until("frames are taken", || {
        waiting(&station, &admin) < 3.0 && station.metric(&admin, "snarm_output_up") == 1.0
    });
}
