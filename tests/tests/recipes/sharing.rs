//! Recipes that hand frames to other processes and machines.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    CAMERA, Server, app, client, gst_launch, is_labelled, learned, pictures, program, python, serve,
    wait_until,
};
use crate::run::snarm;

/// [`CAMERA`] that runs in real time and does not end.
const LIVE: &str =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=128,height=96,framerate=25/1";

/// Starts a recipe that goes on until it is ended.
fn start(dir: &Path, name: &str, variables: &[&str]) -> Server {
    let mut command = program(dir, snarm().get_program());
    command.args(["launch", name]).args(variables).stdout(Stdio::null());
    Server(command.spawn().expect("snarm starts"))
}

/// Checks that pictures are annotated frames of a moving ball.
fn check_moving(folder: &Path, at_least: usize) {
    let frames = pictures(folder);
    assert!(frames.len() >= at_least, "{} frames", frames.len());
    assert_eq!(frames[0].dimensions(), (128, 96));
    assert!(frames.iter().all(is_labelled), "frames without a label");
    assert!(frames.windows(2).any(|pair| pair[0] != pair[1]), "the ball stands still");
}

#[test]
fn a_client_of_the_rtsp_server_sees_annotated_frames() {
    let Some(dir) = learned() else { return };
    let mut command = python(dir.path(), &app("rtsp_server.py"));
    command.args(["part.bank", "--port", "0", "--results", "run.jsonl", "--source", LIVE]);
    let Some((_server, url)) = serve(command) else { return };
    let folder = dir.path().join("seen");
    std::fs::create_dir(&folder).expect("a folder");
    gst_launch(
        dir.path(),
        &format!(
            "rtspsrc location={url} protocols=tcp ! rtph264depay ! h264parse ! avdec_h264 ! videoconvert \
             ! video/x-raw,format=RGB ! pngenc ! identity eos-after=10 ! multifilesink location=seen/%05d.png"
        ),
    );
    check_moving(&folder, 9);
    assert!(!crate::common::results(&dir.path().join("run.jsonl")).is_empty());
}

#[test]
fn rtsp_push_sends_annotated_frames_to_a_server() {
    let Some(dir) = learned() else { return };
    let folder = dir.path().join("seen");
    std::fs::create_dir(&folder).expect("a folder");
    let mut command = python(dir.path(), &client("rtsp_record.py"));
    command.arg("seen/%05d.png");
    let Some((_server, url)) = serve(command) else { return };
    let (source, url) = (format!("source={LIVE}"), format!("url={url}"));
    let sender = start(dir.path(), "rtsp-push", &[&source, "bank=part.bank", &url]);
    wait_until("frames", || folder.read_dir().expect("a folder").count() > 10);
    drop((sender, _server));
    // The last picture may have been cut short.
    let last = folder.read_dir().expect("a folder").map(|e| e.expect("an entry").path()).max();
    std::fs::remove_file(last.expect("pictures")).expect("removed");
    check_moving(&folder, 10);
}

#[test]
fn share_memory_hands_frames_and_lines_to_another_process() {
    let Some(dir) = learned() else { return };
    let results = dir.path().join("results");
    let made = Command::new("mkfifo").arg(&results).status().expect("mkfifo starts");
    assert!(made.success());
    let caps = CAMERA.split_once("! ").map(|(_, caps)| format!("caps={caps}")).expect("caps");
    let variables = [CAMERA, "bank=part.bank", "socket=frames.socket", "results=results", &caps];
    let _inspector = start(dir.path(), "share-memory", &variables);
    // As the other process does: the named pipe first, so that it gets every line, then the frames.
    let lines =
        std::thread::Builder::new().spawn(move || crate::common::results(&results)).expect("a thread");
    wait_until("the socket", || dir.path().join("frames.socket").exists());
    std::fs::create_dir(dir.path().join("seen")).expect("a folder");
    let caps = caps.trim_start_matches("caps=");
    gst_launch(
        dir.path(),
        &format!(
            "shmsrc socket-path=frames.socket num-buffers=12 is-live=true do-timestamp=true ! {caps} \
             ! videoconvert ! video/x-raw,format=RGB ! pngenc ! multifilesink location=seen/%05d.png"
        ),
    );
    check_moving(&dir.path().join("seen"), 12);
    let lines = lines.join().expect("lines");
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().enumerate().all(|(n, line)| line["frame-number"] == n));
}
