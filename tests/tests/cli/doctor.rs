//! `snarm doctor`: of pipelines, of files, and of a plugin that is not found.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use crate::run::{no_gstreamer, run, snarm, stderr, stdout, target};

/// A bank beside the frames that it was learned from.
fn bank(dir: &Path, name: &str, more: &str) {
    if !dir.join("set").exists() {
        run(dir, "simulate --out set --as frames --good-frames 6 --frames 1 --width 96 --height 72", 0);
    }
    run(dir, &format!("bank set/train/good -o {name} --capacity 200 --reduction random {more}"), 0);
}

/// Asks the doctor, and for words in what it says.
fn ask(dir: &Path, line: &str, code: i32, words: &[&str]) -> String {
    let text = stdout(&run(dir, &format!("doctor {line}"), code));
    for word in words {
        assert!(text.contains(word), "expected '{word}' of snarm doctor {line} in:\n{text}");
    }
    text
}

#[test]
fn a_pipeline_that_would_not_run_is_told_what_is_missing() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    bank(dir, "part.bank", "");
    let small = "video/x-raw,width=96,height=72";
    let detect = "snarmdetect bank-location=part.bank results-location=run.jsonl";
    // A format that the elements do not take.
    let raw = format!("videotestsrc ! {small},format=v216");
    ask(
        dir,
        &format!("{raw} ! {detect} ! fakesink"),
        1,
        &["v216", "put `videoconvert` before snarmdetect0", "need attention"],
    );
    ask(
        dir,
        &format!("{raw} ! videoconvert ! jpegenc ! {detect} ! fakesink"),
        1,
        &["image/jpeg", "put `jpegdec ! videoconvert` before snarmdetect0"],
    );
    ask(dir, &format!("{raw} ! videokonvert ! {detect} ! fakesink"), 1, &["the element videokonvert"]);
    ask(
        dir,
        &format!("{raw} ! videoconvert ! {detect} ! jpegenc ! filesink location=none/a.mkv"),
        1,
        &["filesink0", "expected a folder to write to, found none: none"],
    );
    ask(
        dir,
        &format!("{raw} ! videoconvert ! {} ! fakesink", detect.replace("part.bank", "none.bank")),
        1,
        &["snarmdetect0", "none.bank"],
    );
    ask(
        dir,
        "videotestsrc ! jpegenc ! splitmuxsink muxer-factory=matroskamux location=a%d.mkv",
        1,
        &["set async-handling=true"],
    );
    ask(
        dir,
        "record-annotated source=filesrc bank=part.bank video=a.mkv results=r.jsonl",
        1,
        &["filesrc0", "No file name"],
    );

    // It would run, and leaves everything as it is.
    std::fs::write(dir.join("old.mkv"), "old").expect("a file");
    let good = format!(
        "{raw} ! videoconvert ! {detect} ! snarmbank location=new.bank max-frames=6 ! jpegenc ! filesink location=old.mkv"
    );
    let words = ["snarmdetect0", "gets video/x-raw", "96 x 72", "snarmbank0", "filesink0", "gets image/jpeg"];
    let text = ask(dir, &good, 0, &words);
    assert!(!text.contains('!'), "{text}");
    assert_eq!(std::fs::read(dir.join("old.mkv")).expect("a file"), b"old");
    assert!(!dir.join("new.bank").exists() && !dir.join("run.jsonl").exists());
}

#[test]
fn files_are_told_what_they_are_and_whether_they_fit() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    bank(dir, "part.bank", "");
    bank(dir, "seeded.bank", "--encoder seeded:tiny --model none");
    ask(
        dir,
        "part.bank",
        0,
        &["bank of 200 vectors", "from 6 frames", "fits the encoder snarm-tiny", "threshold 0."],
    );
    ask(
        dir,
        "seeded.bank set/train/good set/train/good/0000.png",
        0,
        &["fits the encoder seeded:tiny", "folder of 6 pictures", "picture of 96 x 72"],
    );
    ask(dir, "part.bank --encoder seeded:tiny", 1, &["part.bank", "expected the weights", "seeded:tiny"]);
    let whole = std::fs::read(dir.join("part.bank")).expect("a bank");
    std::fs::write(dir.join("cut.bank"), &whole[..whole.len() / 2]).expect("a file");
    std::fs::write(dir.join("empty.bank"), "").expect("a file");
    ask(
        dir,
        "cut.bank none.bank empty.bank",
        1,
        &[
            "cut.bank",
            "none.bank",
            "expected a file, a folder, a pipeline or a recipe",
            "the file is empty",
            "3 of these need attention",
        ],
    );
    std::fs::create_dir(dir.join("notes")).expect("a folder");
    std::fs::write(dir.join("notes/a.txt"), "a").expect("a file");
    ask(dir, "notes", 1, &["expected pictures", "1 file that is no image", "a.txt"]);
}

#[test]
fn what_is_no_file_is_named_and_pictures_of_a_folder_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 3 --frames 1 --width 96 --height 72", 0);
    std::fs::write(dir.join("set/train/good/torn.png"), "no picture").expect("a file");
    let words = ["folder of 4 pictures, 1 that cannot be read: ", "torn.png", "1 of these need attention"];
    ask(dir, "set/train/good", 1, &words);
    for name in ["fifo", "fifo.png"] {
        assert!(Command::new("mkfifo").arg(dir.join(name)).status().expect("mkfifo").success());
        ask(dir, name, 1, &[name, "expected a file or a folder, found a FIFO"]);
    }
    let _socket = UnixListener::bind(dir.join("socket")).expect("a socket");
    ask(dir, "socket", 1, &["expected a file or a folder, found a socket"]);
    ask(dir, "/dev/null", 1, &["expected a file or a folder, found a device"]);
    let output = snarm().args(["doctor", ""]).current_dir(dir).output().expect("snarm starts");
    assert!(stdout(&output).starts_with("! ''  cannot be used"), "{}", stdout(&output));
}

#[test]
fn a_clip_is_told_its_size_and_length() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out line --good-frames 5 --frames 1 --width 96 --height 72 --fps 10", 0);
    ask(dir, "line/good.mkv", 0, &["clip of 96 x 72", "5 frames in 0.50 s"]);
    std::fs::write(dir.join("text.mp4"), "not a clip\n".repeat(500)).expect("a file");
    ask(dir, "text.mp4", 1, &["text.mp4", "expected a bank, decoder, encoder, picture or clip"]);
}

/// Asks the doctor where GStreamer looks for plugins in one folder besides its own.
fn with_plugins(dir: &Path, folder: &Path, path: Option<&Path>) -> Output {
    let mut command = snarm();
    command.arg("doctor").current_dir(dir).env("GST_PLUGIN_PATH", folder);
    command.env("HOME", dir).env_remove("XDG_DATA_HOME").env("GST_REGISTRY", dir.join("registry.bin"));
    if let Some(path) = path {
        let rest = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{rest}", path.display()));
    }
    let output = command.output().expect("snarm starts");
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    output
}

#[test]
fn a_plugin_that_is_not_found_is_told_why() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let folder = dir.join("plugins");
    std::fs::create_dir(&folder).expect("a folder");
    let text = stdout(&with_plugins(dir, &folder, None));
    assert!(text.contains(&format!("no libgstsnarm.so in {}", folder.display())), "{text}");

    // There, and no library: GStreamer refuses it, and keeps refusing.
    std::fs::write(folder.join("libgstsnarm.so"), "not a library").expect("a file");
    for _ in 0..2 {
        let text = stdout(&with_plugins(dir, &folder, None));
        let place = folder.join("libgstsnarm.so").display().to_string();
        assert!(text.contains(&format!("{place} cannot be loaded: ")), "{text}");
        assert!(!text.contains("snarmbank, snarmdetect"), "{text}");
    }

    // Mended, while GStreamer is told not to look at files again.
    std::fs::remove_file(folder.join("libgstsnarm.so")).expect("removed");
    symlink(target().join("deps/libgstsnarm.so"), folder.join("libgstsnarm.so")).expect("a link");
    let mut command = snarm();
    command.arg("doctor").current_dir(dir).env("GST_PLUGIN_PATH", &folder).env("GST_REGISTRY_UPDATE", "no");
    command.env("HOME", dir).env_remove("XDG_DATA_HOME").env("GST_REGISTRY", dir.join("registry.bin"));
    let output = command.output().expect("snarm starts");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let (text, place, registry) =
        (stdout(&output), folder.join("libgstsnarm.so"), dir.join("registry.bin").display().to_string());
    let place = place.display();
    for words in [
        format!("{place} can be loaded, but failed once and is refused since: remove {registry}"),
        format!("in the list of refused plugins of {registry} (gst-inspect-1.0 -b): {place}"),
    ] {
        assert!(text.contains(&words), "expected '{words}' in {text}");
    }
    // What it advises to helps.
    std::fs::remove_file(&registry).expect("removed");
    let mut command = snarm();
    command.arg("doctor").current_dir(dir).env("GST_PLUGIN_PATH", &folder).env("HOME", dir);
    command.env_remove("XDG_DATA_HOME").env("GST_REGISTRY", &registry);
    let text = stdout(&command.output().expect("snarm starts"));
    assert!(text.contains("snarmbank, snarmdetect, snarmoverlay"), "{text}");
    std::fs::remove_file(folder.join("libgstsnarm.so")).expect("removed");

    // Tools of another GStreamer come first on the path.
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    let tool = bin.join("gst-launch-1.0");
    std::fs::write(&tool, "#!/bin/sh\necho GStreamer 1.99.0\n").expect("a tool");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&tool, mode).expect("a mode");
    let text = stdout(&with_plugins(dir, &folder, Some(&bin)));
    assert!(text.contains("found GStreamer 1.99.0: two installations"), "{text}");
}

/// A registry that GStreamer is told not to renew knows plugins that are gone.
#[test]
fn a_plugin_that_is_in_the_registry_alone_is_told() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let file = dir.join("libgstsnarm.so");
    symlink(target().join("deps/libgstsnarm.so"), &file).expect("a link");
    let ask = |update: &str| {
        let mut command = snarm();
        command.arg("doctor").current_dir(dir).env("GST_PLUGIN_PATH", dir).env("GST_REGISTRY_UPDATE", update);
        command.env("HOME", dir).env_remove("XDG_DATA_HOME").env("GST_REGISTRY", dir.join("registry.bin"));
        stdout(&command.output().expect("snarm starts"))
    };
    let text = ask("yes");
    assert!(text.contains("snarmbank, snarmdetect, snarmoverlay"), "{text}");
    std::fs::remove_file(&file).expect("removed");
    let text = ask("no");
    assert!(
        text.contains(&format!("{}, where ", file.display())) && text.contains("cannot be loaded: "),
        "{text}"
    );
    std::fs::write(&file, "not a library").expect("a file");
    let text = ask("no");
    assert!(text.contains("cannot be loaded: ") && !text.contains("snarmbank, snarmdetect"), "{text}");
}
