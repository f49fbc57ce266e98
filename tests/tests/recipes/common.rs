//! What the tests of the recipes share: runs, banks, and pictures of what came out.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use snarm_tests::skip::skip;

use crate::run::{self, no_gstreamer, snarm, stderr, stdout};

/// Moving picture as a stand-in for a camera.
pub(crate) const CAMERA: &str = "source=videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format=I420,width=128,height=96,framerate=25/1";

/// What a client exits with when something that it needs is not installed.
const MISSING: i32 = 77;

/// A program with the plugin of this build, ended after two minutes, and killed where it has not ended a minute later: the
/// command gives up a stream that does not end before that, and says so.
pub(crate) fn program(dir: &Path, name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=60", "120"]).arg(name).current_dir(dir);
    command.env("GST_PLUGIN_PATH", run::plugin_folder()).env("GST_REGISTRY", dir.join("registry.bin"));
    command
}

/// Runs `snarm launch`, which must succeed.
pub(crate) fn launch(dir: &Path, name: &str, variables: &[&str]) -> Output {
    let mut command = program(dir, snarm().get_program());
    let output = command.args(["launch", name]).args(variables).output().expect("snarm starts");
    assert!(output.status.success(), "launch {name} {variables:?}\n{}{}", stdout(&output), stderr(&output));
    output
}

/// Runs gst-launch-1.0, which must succeed.
pub(crate) fn gst_launch(dir: &Path, line: &str) {
    let mut command = program(dir, "gst-launch-1.0");
    let output = command.arg("-q").args(line.split_whitespace()).output().expect("gst-launch-1.0 starts");
    assert!(output.status.success(), "{line}\n{}{}", stdout(&output), stderr(&output));
}

/// A folder with a bank in it, or none where the tools are missing.
pub(crate) fn learned() -> Option<tempfile::TempDir> {
    if no_gstreamer() {
        return None;
    }
    let dir = tempfile::tempdir().expect("a folder");
    launch(dir.path(), "learn", &[CAMERA, "bank=part.bank", "capacity=500"]);
    assert!(dir.path().join("part.bank").is_file());
    Some(dir)
}

/// Lines of results.
pub(crate) fn results(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("results");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A sample application, from `pipelines/apps`.
pub(crate) fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/apps").join(name)
}

/// A client of the tests.
pub(crate) fn client(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

/// The system's Python, which has the system's bindings.
pub(crate) fn python(dir: &Path, script: &Path) -> Command {
    let mut command = program(dir, "/usr/bin/python3");
    command.arg(script);
    command
}

/// What a program printed, or none where it says that something is missing.
pub(crate) fn printed(mut command: Command) -> Option<String> {
    let output = command.output().expect("a program starts");
    if output.status.code() == Some(MISSING) {
        skip("bindings", stderr(&output));
        return None;
    }
    assert!(output.status.success(), "{command:?}\n{}{}", stdout(&output), stderr(&output));
    Some(stdout(&output))
}

/// A server, ended with the test.
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, which `timeout` hands on to what it runs.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Starts a server and returns it with the first line that it prints; none where something is missing.
pub(crate) fn serve(mut command: Command) -> Option<(Server, String)> {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a server starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("its output");
    BufReader::new(out).read_line(&mut line).expect("a line");
    if line.is_empty() {
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(MISSING), "{command:?} printed nothing");
        skip("bindings", "what the server needs is not installed");
        return None;
    }
    Some((Server(child), line.trim().to_owned()))
}

/// Pictures in a folder, in order.
pub(crate) fn pictures(folder: &Path) -> Vec<image::RgbImage> {
    let entries = folder.read_dir().expect("a folder of pictures");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort_unstable();
    paths.iter().map(|path| image::open(path).expect("a picture").to_rgb8()).collect()
}

/// Frames of a recording.
pub(crate) fn frames(dir: &Path, recording: &str) -> Vec<image::RgbImage> {
    let folder = dir.join(format!("{}-frames", recording.replace('/', "-")));
    std::fs::create_dir(&folder).expect("a folder");
    let location = folder.display();
    gst_launch(
        dir,
        &format!(
            "filesrc location={recording} ! decodebin ! videoconvert ! video/x-raw,format=RGB \
             ! pngenc ! multifilesink location={location}/%05d.png"
        ),
    );
    pictures(&folder)
}

/// Waits for a condition, for as long as a busy machine may take.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(300), "waited five minutes for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the label of the overlay is drawn in the upper left corner, which the moving ball leaves black.
pub(crate) fn is_labelled(frame: &image::RgbImage) -> bool {
    let corner = frame.enumerate_pixels().filter(|(x, y, _)| *x < frame.width() / 2 && *y < 16);
    corner.filter(|(_, _, pixel)| pixel.0.iter().all(|&c| c > 150)).count() > 10
}
