//! Runs the real binary beside this test, as users do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use snarm_tests::skip::skip;

/// The folder of the profile that this test was built in: it holds `snarm`.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps").to_owned()
}

/// A folder that holds the plugin of this build and nothing else. Cargo takes the copy in `target/<profile>` away
/// when it rebuilds the plugin for tests alone; the one in `deps` is always that of this build.
pub(crate) fn plugin_folder() -> PathBuf {
    let folder = target().join("plugin-under-test");
    let plugin = target().join("deps/libgstsnarm.so");
    assert!(plugin.is_file(), "expected {}; build it first: cargo build --workspace", plugin.display());
    std::fs::create_dir_all(&folder).expect("a folder for the plugin");
    // Another test may have made the link a moment ago.
    let _ = std::os::unix::fs::symlink(&plugin, folder.join("libgstsnarm.so"));
    folder
}

/// The command, with the plugin of the same build on GStreamer's path.
pub(crate) fn snarm() -> Command {
    let path = target().join("snarm");
    assert!(path.is_file(), "expected {}; build it first: cargo build --workspace", path.display());
    let mut command = Command::new(path);
    // These tests are of the default encoder.
    command
        .env("GST_PLUGIN_PATH", plugin_folder())
        .env_remove("SNARM_ENCODER")
        .env_remove("GST_SNARM_ENCODER")
        .env_remove("SNARM_LOG");
    command
}

/// Runs `snarm` with arguments split at white space, and asks for that exit code.
pub(crate) fn run(dir: &Path, line: &str, code: i32) -> Output {
    let output = snarm().args(line.split_whitespace()).current_dir(dir).output().expect("snarm starts");
    assert_eq!(output.status.code(), Some(code), "snarm {line}\n{}{}", stdout(&output), stderr(&output));
    output
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether GStreamer's tools are missing; says so, since the caller skips then.
pub(crate) fn no_gstreamer() -> bool {
    let missing = Command::new("gst-launch-1.0").arg("--version").output().is_err();
    if missing {
        skip("gstreamer", "no gst-launch-1.0 on this machine");
    }
    missing
}
