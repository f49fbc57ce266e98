//! What can be missing or fail: a warning and the CPU with `device=auto`, an error with `device=cuda`, and no frame lost.

use snarm_tests::fake_cuda::{self, Mode};

use crate::common::{Run, UPLOAD, bank, detector, in_a_process, init, on_a_device, play, scratch};

const CAPS: &str = "video/x-raw,format=NV12,width=158,height=122";
const FRAMES: &str = "videotestsrc num-buffers=4 pattern=ball motion=sweep";

/// The words of an error or a warning, which the test hands to its process.
fn reason() -> String {
    std::env::var("SNARM_REASON").unwrap()
}

fn score(upload: &str, device: &str) -> Run {
    let detect = detector(&bank(&format!("fallback-{device}"), CAPS));
    play(&format!("{FRAMES} ! {CAPS} {upload} ! {detect} device={device}"))
}

#[track_caller]
fn is_error(run: &Run, reason: &str) {
    assert!(run.error.as_ref().is_some_and(|error| error.contains(reason)), "{:?}: {reason}", run.error);
}

/// All frames came out, scored by the CPU from the end on, after one warning.
#[track_caller]
fn is_one_warning(run: &Run, reason: &str) {
    assert_eq!((run.error.as_deref(), run.warnings.len()), (None, 1), "{:?}", run.warnings);
    let warning = &run.warnings[0];
    let end = "frames are scored on the CPU from now on";
    assert!(warning.contains(reason) && warning.ends_with(end), "{warning}");
    let metas = run.metas();
    assert_eq!(metas.len(), 4);
    assert!(metas.iter().all(|meta| meta.analysed && meta.score >= 0.0));
    assert_eq!(metas.last().unwrap().device, "cpu");
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn frames_of_the_host_with_a_device() {
    if !init() {
        return;
    }
    is_error(&score("", "cuda"), &reason());
    // Those who do not ask for a device hear nothing of it.
    assert!(score("", "auto").checked_quiet().metas().iter().all(|meta| meta.device == "cpu"));
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn frames_of_a_device() {
    if init() {
        is_error(&score(UPLOAD, "cuda"), &reason());
    }
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn frames_of_a_device_by_themselves() {
    if init() {
        let run = score(UPLOAD, "auto");
        is_one_warning(&run, &reason());
        let in_the_middle = std::env::var("FAKE_CUDA_REFUSES").is_ok_and(|launch| launch == MIDDLE);
        assert_eq!(run.metas()[0].device, if in_the_middle { "cuda:0" } else { "cpu" });
    }
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn no_driver_at_all() {
    gst::init().unwrap();
    gstsnarm::plugin_register_static().unwrap();
    is_error(&score("", "cuda"), &reason());
    assert!(score("", "auto").checked_quiet().metas().iter().all(|meta| meta.device == "cpu"));
}

#[test]
fn without_a_driver_or_a_device_the_cpu_scores_and_who_asks_for_cuda_is_told() {
    if fake_cuda::folder(Mode::Plain).is_none() {
        return;
    }
    let nowhere = scratch("nowhere");
    std::fs::create_dir_all(&nowhere).unwrap();
    if !std::path::Path::new("/usr/lib/x86_64-linux-gnu/libcuda.so.1").exists() {
        let reason = [("SNARM_REASON", "expected NVIDIA's driver (libcuda.so.1), found none")];
        in_a_process("fallbacks::no_driver_at_all", &nowhere, &reason);
    }
    for (name, value, reason) in [
        ("FAKE_CUDA_DEVICES", "0", "expected a device 0, found none"),
        ("FAKE_CUDA_VERSION", "11040", "expected a driver for CUDA 11.8 or later, found one for 11.4"),
        ("FAKE_CUDA_CAPABILITY", "75", "expected a device of compute capability 8.0 or later"),
        ("FAKE_CUDA_ALLOCATIONS", "9", "CUDA_ERROR_OUT_OF_MEMORY"),
        ("FAKE_CUDA_REFUSES", "5", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
        ("FAKE_CUDA_LAUNCHES", "5", "CUDA_ERROR_LAUNCH_FAILED"),
        ("FAKE_CUDA_SKIPS", "linear", "of a built-in picture within"),
    ] {
        let settings = [(name, value), ("SNARM_REASON", reason)];
        let test = match name {
            // GStreamer's elements are not there then.
            "FAKE_CUDA_DEVICES" => "fallbacks::no_driver_at_all",
            _ => "fallbacks::frames_of_the_host_with_a_device",
        };
        on_a_device(test, &settings);
    }
}

#[test]
fn a_device_that_does_not_do_for_frames_in_its_memory_leaves_them_to_the_cpu_with_a_warning() {
    for (name, value, reason) in [
        ("FAKE_CUDA_VERSION", "11040", "expected a driver for CUDA 11.8 or later, found one for 11.4"),
        ("FAKE_CUDA_CAPABILITY", "75", "expected a device of compute capability 8.0 or later"),
        // Enough for frames, and too little for the network.
        ("FAKE_CUDA_LARGEST", "140000", "CUDA_ERROR_OUT_OF_MEMORY"),
        // While the built-in picture is scored, and in the middle of the stream.
        ("FAKE_CUDA_REFUSES", "5", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
        ("FAKE_CUDA_REFUSES", MIDDLE, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
        ("FAKE_CUDA_SKIPS", "linear", "of a built-in picture within"),
    ] {
        let settings = [(name, value), ("SNARM_REASON", reason)];
        on_a_device("fallbacks::frames_of_a_device_by_themselves", &settings);
        on_a_device("fallbacks::frames_of_a_device", &settings);
    }
}

/// A launch behind those of the first frames.
const MIDDLE: &str = "95";
