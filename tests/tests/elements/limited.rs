//! Processes that may not have what they ask for: threads, memory, or variables that mean something.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::{init, learn, start_error};
use crate::process::{child, task};

/// Runs such a process under a limit of `sh`, in a shared folder.
fn limited(limit: &str, inner: &Command) -> Output {
    let mut outer = Command::new("sh");
    outer.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]);
    outer.arg(inner.get_program()).args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer.output().unwrap()
}

#[track_caller]
fn assert_passed(output: &Output) {
    let text = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).join("\n");
    assert!(output.status.success() && text.contains("1 passed"), "{}: {text}", output.status);
}

/// An element with the bank of its parent.
fn detector(folder: &Path) -> gst::Element {
    let location = folder.join("part.bank");
    gst::ElementFactory::make("snarmdetect").property("bank-location", location).build().unwrap()
}

/// A folder with a bank, as no process under a limit could learn one.
fn folder() -> tempfile::TempDir {
    init();
    let folder = tempfile::tempdir().unwrap();
    learn(&folder.path().join("part.bank"), 0);
    folder
}

#[test]
fn a_variable_without_sense_is_an_error_at_start() {
    const NAME: &str = "limited::a_variable_without_sense_is_an_error_at_start";
    if let Some(folder) = task("start") {
        init();
        let location = folder.join("new.bank");
        let learner = gst::ElementFactory::make("snarmbank").property("location", location).build().unwrap();
        for element in [detector(&folder), learner] {
            let error = start_error(element);
            assert!(error.matches(gst::ResourceError::Settings), "{error}");
            let value = std::env::var("VALUE").unwrap();
            assert!(error.message().contains(": expected ") && error.message().contains(&value), "{error}");
        }
        return;
    }
    let folder = folder();
    for (name, value) in [
        ("SNARM_THREADS", "5000"),
        ("SNARM_THREADS", "many"),
        ("GST_SNARM_THREADS", "-3"),
        ("SNARM_ISA", "foo"),
        ("SNARM_DISABLE_CUDA", "perhaps"),
    ] {
        let mut process = child(NAME, "start", folder.path());
        // The shorter name counts where both are set.
        process.env_remove("SNARM_THREADS").env(name, value).env("VALUE", value);
        assert_passed(&process.output().unwrap());
    }
}

#[test]
fn a_process_that_may_not_have_its_threads_gets_an_error() {
    const NAME: &str = "limited::a_process_that_may_not_have_its_threads_gets_an_error";
    if let Some(folder) = task("start") {
        init();
        let error = start_error(detector(&folder));
        assert!(error.message().contains("expected 200 threads"), "{error}");
        return;
    }
    let folder = folder();
    // No room for the stacks of so many threads.
    let mut inner = child(NAME, "start", folder.path());
    inner.env("SNARM_THREADS", "200").env("RUST_MIN_STACK", (32 << 20).to_string());
    assert_passed(&limited("ulimit -v 4000000", &inner));
}

/// Root may have any number of threads: what is limited here is the room for their stacks, of 4 GiB each.
#[test]
fn a_process_without_threads_for_its_stream_gets_an_error() {
    const NAME: &str = "limited::a_process_without_threads_for_its_stream_gets_an_error";
    if let Some(folder) = task("start") {
        init();
        let error = start_error(detector(&folder));
        assert!(error.matches(gst::CoreError::Thread), "{error}");
        assert!(error.message().contains("threads: expected 2 for the stream beside the pool"), "{error}");
        return;
    }
    let folder = folder();
    let mut inner = child(NAME, "start", folder.path());
    inner.env("SNARM_THREADS", "1").env("RUST_MIN_STACK", (4_u64 << 30).to_string());
    // That of the test, of the pool, and of one of the two.
    assert_passed(&limited("ulimit -v 15500000", &inner));
}

#[test]
fn a_process_that_may_not_have_its_memory_gets_an_error() {
    const NAME: &str = "limited::a_process_that_may_not_have_its_memory_gets_an_error";
    if let Some(folder) = task("start") {
        init();
        let error = start_error(detector(&folder));
        assert!(error.matches(gst::ResourceError::NoSpaceLeft), "{error}");
        assert!(error.message().contains("memory for ") && error.message().contains(" MB more"), "{error}");
        return;
    }
    let folder = folder();
    let inner = child(NAME, "start", folder.path());
    // Private memory: what the process has before its first element is about half of it.
    assert_passed(&limited("ulimit -d 30000", &inner));
}
