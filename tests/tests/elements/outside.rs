//! The plugin as a file: what `gst-inspect-1.0` shows of it, and how programs use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;
use snarm_tests::skip::skip;

use crate::common::{bank, init, scratch};

/// Set to rewrite the snapshots.
pub(crate) const UPDATE: &str = "SNARM_UPDATE_SNAPSHOTS";

/// A folder that holds the plugin and nothing else, as GStreamer would load every library it finds.
fn plugin_folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        // Cargo puts the library of a dependency beside the test that was built with it.
        let library = std::env::current_exe().unwrap().with_file_name("libgstsnarm.so");
        assert!(library.exists(), "expected the plugin, found nothing: {}", library.display());
        let folder = scratch("plugin");
        fs::create_dir_all(&folder).unwrap();
        let link = folder.join("libgstsnarm.so");
        if fs::read_link(&link).ok().as_deref() != Some(&library) {
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(library, link).unwrap();
        }
        folder
    });
    &FOLDER
}

/// Runs a program with the plugin and a registry of its own.
fn run(mut command: Command, registry: &str) -> Output {
    command
        .env("GST_PLUGIN_PATH_1_0", plugin_folder())
        .env("GST_REGISTRY", scratch(registry))
        .env("LC_ALL", "C");
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What gst-inspect-1.0 says of an element, without what differs between builds.
fn inspect(element: &str) -> String {
    let mut command = Command::new("gst-inspect-1.0");
    command.args(["--no-colors", element]).env("GST_PLUGIN_SYSTEM_PATH_1_0", "");
    let output = run(command, "inspect.bin");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let differs = |line: &&str| {
        ["Filename", "Version", "Source release date"].iter().any(|w| line.trim().starts_with(w))
    };
    text.lines().filter(|line| !differs(line)).map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Compares with the snapshot, or writes it.
fn check_inspect(element: &str) {
    init();
    if gst::version() >= (1, 23, 0, 0) {
        let reason =
            format!("the snapshots are in the words of GStreamer 1.22, found {}", gst::version_string());
        return skip("older-gstreamer", reason);
    }
    let found = inspect(element);
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("snapshots/{element}.txt"));
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&snapshot, &found).unwrap();
    }
    let expected = fs::read_to_string(&snapshot).unwrap_or_default();
    let first = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{} differs; set {UPDATE}=1 if that is meant. First difference (found, expected): {first:?}",
        snapshot.display()
    );
}

#[test]
fn snarmbank_looks_as_in_its_snapshot() {
    check_inspect("snarmbank");
}

#[test]
fn snarmdetect_looks_as_in_its_snapshot() {
    check_inspect("snarmdetect");
}

#[test]
fn snarmoverlay_looks_as_in_its_snapshot() {
    check_inspect("snarmoverlay");
}

#[test]
fn results_on_standard_output_are_json_and_nothing_else() {
    init();
    let mut command = Command::new("gst-launch-1.0");
    let frames = "video/x-raw,format=RGB,width=64,height=48";
    command.arg("-q").args([
        "videotestsrc",
        "num-buffers=3",
        "!",
        frames,
        "!",
        "snarmdetect",
        "results-location=-",
    ]);
    command.arg(format!("bank-location={}", bank())).args(["!", "fakesink"]);
    let output = run(command, "stdout.bin");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines.iter().enumerate().all(|(n, line)| line["frame-number"] == n), "{text}");
}

#[test]
fn every_property_has_a_nick_a_blurb_and_says_when_it_may_change() {
    use gst::prelude::*;
    init();
    for name in ["snarmbank", "snarmdetect", "snarmoverlay"] {
        let element = gst::ElementFactory::make(name).build().unwrap();
        assert!(!element.property::<bool>("qos"), "{name} drops late frames");
        for property in element.list_properties() {
            if !property.owner_type().name().starts_with("GstSnarm") {
                continue;
            }
            let what = format!("{name} {}", property.name());
            assert_ne!(property.nick(), property.name(), "{what} has no nick");
            assert!(property.blurb().is_some_and(|blurb| blurb.len() > 10), "{what} has no blurb");
            let mutable = gst::PARAM_FLAG_MUTABLE_READY | gst::PARAM_FLAG_MUTABLE_PLAYING;
            let writable = property.flags().contains(gst::glib::ParamFlags::WRITABLE);
            assert_eq!(property.flags().intersects(mutable), writable, "{what}");
        }
    }
}

/// Runs a client in Python and returns its lines of JSON; `None` where there are no bindings.
pub(crate) fn client(name: &str, arguments: &[&str]) -> Option<Vec<Value>> {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)).args(arguments);
    // Tests run side by side, and two processes must not write one registry.
    let output = run(command, &format!("{name}.bin"));
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        skip("bindings", errors);
        return None;
    }
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}
