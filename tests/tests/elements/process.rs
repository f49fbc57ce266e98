//! Tests that need a process of their own: to be killed, to meet a limit, to have all that they made counted at its end.

use std::path::{Path, PathBuf};
use std::process::Command;

/// This test again in a process of its own, where `what` says what it has to do.
pub(crate) fn child(test: &str, what: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("SNARM_CHILD", what).env("SNARM_FOLDER", folder);
    command
}

/// What a child has to do, and the folder to do it in.
pub(crate) fn task(what: &str) -> Option<PathBuf> {
    (std::env::var("SNARM_CHILD").ok()? == what).then(|| std::env::var_os("SNARM_FOLDER").unwrap().into())
}

/// Ends GStreamer in such a process: what tracers have to report comes now.
pub(crate) fn end() {
    #[expect(unsafe_code, reason = "the bindings leave this to C")]
    // SAFETY: the last thing that such a process does with GStreamer.
    unsafe {
        gst::deinit();
    }
}

/// Runs such a process, which calls [`end`], and has GStreamer count what is left of its objects.
pub(crate) fn assert_leaks_nothing(mut process: Command) {
    process
        .env(
            "GST_TRACERS",
            "leaks(filters=\"GstElement,GstPad,GstBus,GstBuffer,GstMessage,GstCaps,GstEvent\")",
        )
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1");
    let output = process.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{errors}", String::from_utf8_lossy(&output.stdout));
    assert!(errors.contains("object-alive"), "the tracer did not run: {errors}");
    let alive: Vec<&str> = errors
        .lines()
        .filter(|line| line.contains("object-alive") && !line.contains("build_format"))
        .collect();
    assert!(alive.is_empty(), "{} alive:\n{}", alive.len(), alive.join("\n"));
}
