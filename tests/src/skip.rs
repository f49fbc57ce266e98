//! Tests that cannot run on a machine: they say so, are counted, and are failures where `SNARM_NO_SKIP=1` is set, as in
//! `.ci/run`, but for the few in [`ALLOWED`]. (Unit tests of other crates include this file, which needs nothing but the
//! standard library.)

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Set to 1 where a test that is skipped is a failure.
pub const NO_SKIP: &str = "SNARM_NO_SKIP";

/// Names the file that gets a line for each skip; `make test` ends with their number.
pub const SKIPS: &str = "SNARM_SKIPS";

/// Names the folder of files that are no part of the repository, see [`outside`].
pub const TEST_DATA: &str = "SNARM_TEST_DATA";

/// What a test needs that no machine has to have: neither the repository nor the packages that `make test-deps` installs
/// bring it. Each with the reason. (`pipelines/scripts/skip.sh` reads this list, too.)
pub const ALLOWED: [(&str, &str); 17] = [
    ("cuda", "an NVIDIA GPU; `make gpu` runs its tests where there is one"),
    ("nvrtc", "NVRTC 11.8, of 50 MB: SNARM_NVRTC, or `kernels.py --tools`, which `.ci/run` asks for"),
    ("bf16", "a processor with AVX512-BF16, and no lower level asked for"),
    (
        "ptxas",
        "ptxas of CUDA 12.8 or later, of 40 MB: SNARM_PTXAS, or `kernels.py --tools`, which `.ci/run` asks for",
    ),
    ("clip", "a clip under a licence of its own (CC BY): SNARM_TEST_DATA/data/video/bottle-detection.mp4"),
    ("timm", "a trained network of 23 MB: SNARM_TEST_DATA/weights/vit_tiny_patch16_224.safetensors"),
    ("pytorch", "PyTorch, of several hundred MB; SNARM_PYTHON names a Python that has it"),
    (
        "newer-gstreamer",
        "a Debian root of 2 GB with GStreamer 1.28: SNARM_ANALYTICS_ROOT, by tests/roots/make-root.sh",
    ),
    ("arm64", "a Debian root of 3.2 GB that builds for aarch64: SNARM_ARM64_ROOT, by tests/roots/arm64.sh"),
    ("older-gstreamer", "GStreamer 1.22, in whose words the snapshots are"),
    (
        "element",
        "an element of a package of GStreamer that is not needed, such as textoverlay of gstreamer1.0-x",
    ),
    (
        "browser",
        "Chromium and its driver, of 300 MB, which look at the pages of an evaluation and of a station",
    ),
    ("cargo-deb", "cargo-deb, which is no package of Debian: cargo install cargo-deb"),
    ("cargo-cyclonedx", "cargo-cyclonedx, which is no package of Debian: cargo install cargo-cyclonedx"),
    ("container", "buildah or podman, and packages of Debian that they fetch"),
    ("systemd", "systemd-analyze, which few containers have"),
    ("user", "a user who may not write everywhere, as root may"),
];

/// Says that the test that calls this does not run, for want of `what`. The test returns then.
///
/// # Panics
/// When skips are failures and this one is not in [`ALLOWED`].
pub fn skip(what: &str, reason: impl Display) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{what}: {test}: {}", reason.to_string().trim().replace('\n', "; "));
    println!("skipped: {line}");
    if let Some(file) = std::env::var_os(SKIPS).filter(|file| !file.is_empty()) {
        let opened = OpenOptions::new().append(true).create(true).open(&file);
        // One write, since tests run side by side.
        let written = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|e| panic!("{}: {e}", Path::new(&file).display()));
    }
    let strict = std::env::var_os(NO_SKIP).is_some_and(|value| value == "1");
    assert!(
        !strict || ALLOWED.iter().any(|(allowed, _)| *allowed == what),
        "{NO_SKIP} is set, and this test cannot run for want of {what}: {reason}"
    );
}

/// A file that is no part of the repository: below the folder that `SNARM_TEST_DATA` names, or else `shared` beside the
/// repository. The test is skipped, for want of `what`, where there is none.
pub fn outside(what: &str, path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let path = std::env::var_os(TEST_DATA).map_or(beside, PathBuf::from).join(path);
    if path.is_file() {
        return Some(path);
    }
    skip(what, format!("no file {}", path.display()));
    None
}
