//! Commands that stand in documents, run as they stand: a test picture is the camera, and nothing is the screen.

use std::path::{Path, PathBuf};

use crate::common::{gst_launch, learned, program, results};
use crate::run::{stderr, stdout, target};

/// A stand-in for the camera.
const PICTURE: &str = "videotestsrc num-buffers=16 pattern=ball";

fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&full).unwrap_or_else(|error| panic!("{}: {error}", full.display()))
}

/// A camera of the network, and a GPU that decodes it.
const NETWORK: &str = "rtspsrc location=rtsp://camera/stream ! rtph264depay ! h264parse ! nvh264dec";

/// A stand-in for both.
const CLIP: &str = "filesrc location=line.mp4 ! qtdemux ! h264parse ! avdec_h264";

/// Runs a line of a document by the shell; it must succeed.
fn shell(dir: &Path, line: &str) {
    let line = line
        .replace("v4l2src", PICTURE)
        .replace(NETWORK, CLIP)
        .replace("autovideosink", "fakesink")
        .replace("glimagesink", "fakesink");
    let mut command = program(dir, "sh");
    let path = format!("{}:{}", target().display(), std::env::var("PATH").unwrap_or_default());
    let output = command.args(["-ec", &line]).env("PATH", path).output().expect("a shell");
    assert!(output.status.success(), "{line}\n{}{}", stdout(&output), stderr(&output));
}

/// Lines between an opening and a closing mark.
fn blocks(text: &str, open: &str, close: &str) -> Vec<String> {
    let mut lines = text.lines().map(|line| line.trim().trim_start_matches("* ").trim());
    let mut found = Vec::new();
    while lines.by_ref().any(|line| line == open) {
        found.extend(lines.by_ref().take_while(|line| *line != close).map(str::to_owned));
    }
    found
}

#[test]
fn from_camera_to_recording_works_word_by_word() {
    let Some(dir) = learned() else { return };
    std::fs::remove_file(dir.path().join("part.bank")).expect("the page makes its own");
    // Two minutes of good parts.
    gst_launch(
        dir.path(),
        "videotestsrc num-buffers=26 pattern=ball ! video/x-raw,format=I420,framerate=1/5 ! x264enc ! h264parse \
         ! mp4mux ! filesink location=clip.mp4",
    );
    let lines = blocks(&read("docs/from-camera-to-recording.md"), "```sh", "```");
    assert!(lines.iter().any(|line| line.starts_with("snarm bank clip.mp4")), "{lines:?}");
    assert!(lines.len() >= 5, "{lines:?}");
    for line in lines {
        shell(dir.path(), &line);
    }
    assert!(dir.path().join("run000.mkv").is_file());
    assert_eq!(results(&dir.path().join("run.jsonl")).len(), 16);
}

#[test]
fn launch_lines_in_the_documentation_of_elements_work() {
    let Some(dir) = learned() else { return };
    std::fs::create_dir(dir.path().join("good")).expect("a folder");
    gst_launch(dir.path(), &format!("{PICTURE} ! pngenc ! multifilesink location=good/%04d.png"));
    gst_launch(
        dir.path(),
        &format!(
            "{PICTURE} ! video/x-raw,format=I420 ! x264enc ! h264parse ! mp4mux ! filesink location=line.mp4"
        ),
    );
    for element in ["bank", "detect", "overlay"] {
        let lines = blocks(&read(&format!("plugins/src/{element}/mod.rs")), "|[", "]|");
        assert!(lines.len() >= 2, "{element}: {lines:?}");
        for line in lines {
            assert!(line.starts_with("gst-launch-1.0 "), "{line}");
            shell(dir.path(), &line);
        }
    }
}

#[test]
fn every_complaint_of_the_table_names_tests_that_there_are() {
    let page = read("docs/integrators.md");
    let (_, table) = page.split_once("| complaint | answer | test |").expect("the table");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() >= 15, "{} rows", rows.len());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rooms = [
        "tests",
        "../kernels/src",
        "../snarm-core/src",
        "../plugins/src",
        "../pipelines/src",
        "../pipelines/player/src",
        "../pipelines/station/src",
    ];
    let mut folders: Vec<PathBuf> = rooms.map(|room| root.join(room)).into();
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for path in folder.read_dir().expect("tests").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(path).expect("a test");
                sources.extend(text.lines().flat_map(|line| [line.trim(), "\n"]));
            }
        }
    }
    for row in rows {
        let tests = row.rsplit('|').nth(1).expect("a column").split('`').skip(1).step_by(2);
        for test in tests {
            // Those that run on every device are made tests of by a macro.
            let ways = [format!("#[test]\nfn {test}()"), format!("\nfn {test}(device: &Device) {{")];
            assert!(ways.iter().any(|way| sources.contains(way)), "no test {test}");
        }
    }
}
