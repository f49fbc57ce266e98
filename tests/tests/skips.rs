//! A test that cannot run does not pass in silence.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use snarm_tests::skip::{ALLOWED, NO_SKIP, SKIPS, skip};

const SCRIPT: &str = "../pipelines/scripts/skip.sh";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs the skipping test below in a process of its own.
fn skipping(what: &str, strict: &str, skips: &Path) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_skip", "--nocapture"]).env("SNARM_SKIP_CHILD", what);
    child.env(NO_SKIP, strict).env(SKIPS, skips).output().unwrap()
}

/// Skips itself where [`skipping`] asks it to.
#[test]
fn a_skip() {
    if let Ok(what) = std::env::var("SNARM_SKIP_CHILD") {
        skip(&what, "one reason,\nand another\n");
    }
}

#[test]
fn skips_are_counted_and_fail_where_they_must_not_be() {
    let folder = tempfile::tempdir().unwrap();
    let skips = folder.path().join("skips.txt");
    for (what, strict, fine) in [("anything", "", true), ("anything", "1", false), ("cuda", "1", true)] {
        let output = skipping(what, strict, &skips);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.success(), fine, "{what} {strict}: {said}");
        assert!(said.contains(&format!("skipped: {what}: a_skip: one reason,; and another")), "{said}");
        let mut script = Command::new(here(SCRIPT));
        let script = script.args([what, "one reason"]).env(NO_SKIP, strict).env(SKIPS, &skips);
        assert_eq!(script.output().unwrap().status.success(), fine, "{what} {strict}");
    }
    let lines = std::fs::read_to_string(&skips).unwrap();
    let expected = ["anything: a_skip: one reason,; and another", "anything: one reason"];
    assert_eq!(lines.lines().collect::<Vec<_>>()[..2], expected);
    let count = |skips: &Path| {
        let output = Command::new(here(SCRIPT)).arg("--count").env(SKIPS, skips).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let counted = count(&skips);
    assert!(counted.starts_with("skipped: 6, all in ") && counted.contains("4 anything\n"), "{counted}");
    assert_eq!(count(&folder.path().join("none")), "skipped: none\n");
}

/// Skips go through one place, and each that is allowed has a test that takes it.
#[test]
fn no_test_returns_in_silence() {
    let said = concat!("skip", "ped: ");
    let (mut wrong, mut all) = (Vec::new(), String::new());
    let mut folders: Vec<PathBuf> =
        ["tests", "../kernels/src", "../snarm-core/src", "../plugins/src", "../pipelines/src"]
            .map(here)
            .into();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("skips.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let says = |line: &&str| line.contains("println!") && line.contains(&format!("\"{said}"));
                wrong.extend(text.lines().filter(says).map(|line| format!("{}: {line}", path.display())));
                all += &text;
            }
        }
    }
    for script in ["deb.sh", "container.sh"] {
        all += &std::fs::read_to_string(here("../pipelines/scripts").join(script)).unwrap();
    }
    assert!(wrong.is_empty(), "skips beside snarm_tests::skip: {wrong:#?}");
    for (what, reason) in ALLOWED {
        let taken = [format!("skip(\"{what}\""), format!("outside(\"{what}\""), format!("skip.sh\" {what} ")];
        assert!(
            taken.iter().any(|call| all.contains(call)),
            "nothing is skipped for want of {what} ({reason})"
        );
    }
}
