//! Pipelines that are ended from outside: by a user, a closing terminal, a service manager.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use snarm_tests::signals;
use snarm_tests::skip::skip;

use crate::common::{app, frames, learned, python, results, wait_until};
use crate::run::{snarm, stderr, stdout, target};

/// A camera that never ends.
const LIVE: &str =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=128,height=96,framerate=25/1";

/// A process, killed with the test where it does not end.
struct Running(Child);

impl Running {
    fn start(asked: &Command, dir: &Path) -> Self {
        let mut command = signals::hearing_all(asked);
        command.current_dir(dir).env("GST_REGISTRY", dir.join("registry.bin"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("it starts"))
    }

    fn signal(&self, name: &str) {
        signals::send(&self.0, name);
    }

    /// Waits for the end, and returns the exit code and what was said.
    fn end(mut self) -> (Option<i32>, String) {
        wait_until("the end", || self.0.try_wait().expect("a child").is_some());
        let child = std::mem::replace(&mut self.0, Command::new("true").spawn().expect("true starts"));
        let output = child.wait_with_output().expect("its output");
        (output.status.code(), stdout(&output) + &stderr(&output))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until so many lines of results are there.
fn wait_for_lines(path: &Path, n: usize) {
    wait_until("results", || std::fs::read_to_string(path).is_ok_and(|text| text.lines().count() >= n));
}

#[test]
fn a_signal_ends_the_stream_and_completes_what_was_begun() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    for signal in ["TERM", "HUP", "INT"] {
        let line = format!(
            "{LIVE} ! snarmdetect bank-location=part.bank results-location={signal}.jsonl \
             ! snarmbank location={signal}.bank bank-capacity=500 ! videoconvert ! jpegenc ! matroskamux \
             ! filesink location={signal}.mkv"
        );
        let running = Running::start(snarm().arg("launch").args(line.split_whitespace()), dir);
        wait_for_lines(&dir.join(format!("{signal}.jsonl")), 12);
        running.signal(signal);
        let (code, said) = running.end();
        assert_eq!(code, Some(0), "{signal}: {said}");
        assert!(said.contains(&format!("{signal}: ends the stream")), "{said}");
        let lines = results(&dir.join(format!("{signal}.jsonl"))).len();
        assert_eq!(frames(dir, &format!("{signal}.mkv")).len(), lines, "{signal}");
        let scored = snarm().args(["doctor", &format!("{signal}.bank")]).current_dir(dir).output();
        let scored = stdout(&scored.expect("snarm starts"));
        assert!(scored.contains(&format!("from {lines} frames")), "{scored}");
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    if crate::run::no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    // No end of stream comes through.
    let line = "videotestsrc is-live=true ! tee name=t t. ! queue ! pngenc ! multifilesink location=%d.png \
                t. ! queue ! valve drop=true ! fakesink async=false";
    let running = Running::start(snarm().arg("launch").args(line.split_whitespace()), dir);
    wait_until("a picture", || dir.join("1.png").exists());
    running.signal("TERM");
    // The first was heard when the pictures end.
    wait_until("the end of the pictures", || {
        let count = || dir.read_dir().expect("a folder").count();
        let before = count();
        std::thread::sleep(std::time::Duration::from_millis(500));
        count() == before
    });
    running.signal("TERM");
    let (code, said) = running.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("stopped at once by a second signal: files may be incomplete"), "{said}");
}

#[test]
fn a_stream_that_does_not_end_after_a_signal_is_given_up() {
    if crate::run::no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    // No end of stream comes through.
    let line = "videotestsrc is-live=true ! tee name=t t. ! queue ! pngenc ! multifilesink location=%d.png \
                t. ! queue ! valve drop=true ! fakesink async=false";
    for signal in ["TERM", "HUP", "INT"] {
        let mut command = snarm();
        command.args(["launch", "--end-within", "1"]).args(line.split_whitespace());
        let running = Running::start(&command, dir);
        wait_until("a picture", || dir.join("5.png").exists());
        running.signal(signal);
        let (code, said) = running.end();
        assert_eq!(code, Some(1), "{signal}: {said}");
        let lacks =
            "expected the end of the stream within 1 s of the signal, found none: files may be incomplete";
        assert!(said.contains(lacks), "{signal}: {said}");
        for picture in dir.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if picture.extension().is_some_and(|ending| ending == "png") {
                std::fs::remove_file(picture).expect("it is removed");
            }
        }
    }
}

#[test]
fn the_unit_leaves_a_stream_more_time_than_the_command_does() {
    let text = std::fs::read_to_string(units().join("snarm@.service")).expect("a unit");
    let stop = text.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("its patience");
    let help = stdout(&snarm().args(["launch", "--help"]).output().expect("snarm starts"));
    let (_, about) = help.split_once("--end-within <SECONDS>").expect("the option");
    let (_, default) = about.split_once("[default: ").expect("its default");
    let (default, _) = default.split_once(']').expect("its end");
    let seconds = |text: &str| text.trim().parse::<u32>().expect("seconds");
    assert!(seconds(default) + 10 <= seconds(stop), "{default} s of {stop}");
    assert!(text.contains(&format!("longer than {default} s")), "{text}");
}

/// The units as they are shipped.
fn units() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/systemd")
}

#[test]
fn the_service_ends_with_complete_files() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    let text = std::fs::read_to_string(units().join("snarm@.service")).expect("a unit");
    let line =
        text.lines().find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '")).expect("its command");
    let script = line.strip_suffix('\'').expect("one quoted word").replace("$$", "$").replace("%%", "%");
    assert!(script.contains(" /usr/bin/snarm launch "), "{script}");
    let script = script.replace("/usr/bin/snarm", &target().join("snarm").display().to_string());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).env("GST_PLUGIN_PATH", crate::run::plugin_folder());
    command.env("SOURCE", LIVE).env("BANK", "part.bank");
    let running = Running::start(&command, dir);
    let ending = |ending: &str| -> Vec<String> {
        let names = dir.read_dir().expect("a folder").map(|entry| entry.expect("an entry").file_name());
        names.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(ending)).collect()
    };
    wait_until("results", || !ending(".jsonl").is_empty());
    let lines = dir.join(&ending(".jsonl")[0]);
    wait_for_lines(&lines, 12);
    running.signal("TERM");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    let recorded: usize = ending(".mkv").iter().map(|name| frames(dir, name).len()).sum();
    assert_eq!(recorded, results(&lines).len());
}

/// A unit as systemd would read it, with the command that was built in place of the installed one.
fn verified(dir: &Path, unit: &str) -> Option<std::process::Output> {
    let text = std::fs::read_to_string(units().join(unit)).expect("a unit");
    let text = text.replace("/usr/bin/snarm", &target().join("snarm").display().to_string());
    std::fs::write(dir.join(unit), text).expect("a file");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(dir.join(unit)).output();
    if output.is_err() {
        skip("systemd", "no systemd-analyze on this machine");
    }
    output.ok()
}

#[test]
fn systemd_takes_the_units() {
    let dir = tempfile::tempdir().expect("a folder");
    for unit in ["snarm@.service", "snarm-station.service"] {
        let Some(output) = verified(dir.path(), unit) else { return };
        let said = stderr(&output);
        assert!(output.status.success() && !said.contains(unit.trim_end_matches(".service")), "{said}");
    }
    // One that it does not take is told.
    let wrong = dir.path().join("wrong.service");
    std::fs::write(&wrong, "[Service]\nExecStart=/bin/true\nAmbientCapability=CAP_NET_BIND_SERVICE\n")
        .expect("a file");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(wrong).output();
    let said = stderr(&output.expect("systemd-analyze starts"));
    assert!(said.contains("wrong.service"), "{said}");
}

/// What the documentation has a station do is within what its unit lets it do.
#[test]
fn the_unit_of_the_station_may_serve_and_read_what_its_documentation_says() {
    let unit = std::fs::read_to_string(units().join("snarm-station.service")).expect("a unit");
    let has = |line: &str| unit.lines().any(|found| found == line);
    let docs = std::fs::read_to_string(units().join("../../docs/station.md")).expect("a page");
    // A port below 1024, a scanner at a serial line, a camera.
    for (in_docs, in_unit) in [
        (":502\"", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
        ("/dev/ttyACM0", "SupplementaryGroups=video dialout"),
        ("/dev/video0", "SupplementaryGroups=video dialout"),
        ("/var/lib/snarm-station", "StateDirectory=snarm-station"),
    ] {
        assert!(docs.contains(in_docs) && has(in_unit), "{in_docs}, {in_unit}");
    }
    // These hide devices, or stop what GStreamer compiles.
    for hides in ["PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock", "MemoryDenyWriteExecute"] {
        assert!(!unit.lines().any(|line| line.starts_with(&format!("{hides}="))), "{hides}");
    }
}

#[test]
fn the_application_for_clips_ends_well_by_a_signal() {
    let Some(dir) = learned() else { return };
    let dir = dir.path();
    let mut probe = Command::new("/usr/bin/python3");
    probe.args(["-c", "import gi; gi.require_version('Gst', '1.0')"]);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        return skip("bindings", "no GStreamer bindings for Python");
    }
    for signal in ["TERM", "HUP"] {
        // Every frame is a defect: its clip is being written when the signal comes.
        let mut command = python(dir, &app("event_clips.py"));
        let source = format!(
            "{LIVE} ! videoconvert ! snarmdetect bank-location=part.bank results-location={signal}.jsonl \
             ! videobalance brightness=0.9 contrast=2"
        );
        command.args(["part.bank", "--source", &source, "--out", signal, "--encoder", "jpegenc"]);
        let running = Running::start(&command, dir);
        wait_for_lines(&dir.join(format!("{signal}.jsonl")), 20);
        running.signal(signal);
        let (code, said) = running.end();
        assert_eq!(code, Some(0), "{signal}: {said}");
    }
}
