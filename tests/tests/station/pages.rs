//! Pages, in a browser where there is one.

use std::path::Path;
use std::process::Command;

use snarm_tests::skip::skip;

use crate::common::{Station, learned, until};

/// The browser of this machine, if there is one.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        skip("browser", "no chromium on this machine");
    }
    found
}

/// The document of a page after some seconds, and what its scripts complained of.
fn document(browser: &str, dir: &Path, address: &str) -> (String, String) {
    let switches = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
                    --disable-component-update --disable-sync --dump-dom --timeout=8000 --enable-logging=stderr \
                    --window-size=390,844";
    let output = Command::new("timeout")
        .arg("60")
        .arg(browser)
        .args(switches.split_whitespace())
        .arg(format!("--user-data-dir={}", dir.join("browser").display()))
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(address)
        .output()
        .expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints = said.lines().filter(|line| line.contains("CONSOLE"));
    (String::from_utf8_lossy(&output.stdout).into_owned(), complaints.collect::<Vec<_>>().join("\n"))
}

#[test]
fn every_page_shows_what_it_is_for_and_complains_of_nothing() {
    let Some(browser) = browser() else { return };
    let Some(dir) = learned() else { return };
    let station = Station::start(dir.path(), "open-viewing = true---");
    let visitor = station.stranger();
    until("frames are judged", || visitor.get("/api/lines/belt").json()["status"] == "running");
    for (page, words) in [
        ("/", &["Belt", "This shift", "frames a second", "version 1", "l-good"][..]),
        ("/review", &["wait for a judgement", "Nothing waits for a judgement"]),
        ("/limits", &["as the bank says", "alarm 0.", "last frames"]),
        ("/banks", &["Version 1", "in use", "copied at the first start"]),
        ("/sign-in", &["Make the first admin", "printed a code"]),
    ] {
        let (text, complaints) = document(browser, dir.path(), &format!("http://{}{page}", station.address));
        for word in words {
            assert!(text.contains(word), "expected {word} in {page}:\n{text}\n{complaints}");
        }
        assert_eq!(complaints, "", "{page}");
    }
}
