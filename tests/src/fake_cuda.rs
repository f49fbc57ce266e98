//! NVIDIA's driver over host memory, with the kernels of this repository in it: `tests/fake-cuda`, built when a test first
//! asks for it. (Unit tests of other crates include this file, which needs nothing but the standard library and
//! [`super::skip`].)

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names a library that stands for the driver, instead of the one that is built; `real` is the machine's own.
pub const FAKE_CUDA: &str = "SNARM_FAKE_CUDA";

/// How the kernels are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As fast as they are.
    Plain,
    /// For the sanitizers of addresses and of undefined behaviour.
    Asan,
    /// For the sanitizer of threads.
    Tsan,
}

impl Mode {
    /// What `build.sh` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Asan => "asan",
            Self::Tsan => "tsan",
        }
    }
}

/// The folder of the driver's sources.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fake-cuda")
}

/// The folder of what is built.
pub fn built() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fake-cuda")
}

/// The folder with a `libcuda.so.1` of that mode; a skipped test where it cannot be built.
///
/// # Panics
/// When the sources do not compile.
pub fn folder(mode: Mode) -> Option<PathBuf> {
    if !cfg!(target_arch = "x86_64") || Command::new("g++").arg("--version").output().is_err() {
        super::skip::skip("fake-cuda", "g++ for x86-64, which builds the driver over host memory");
        return None;
    }
    let folder = built().join(mode.name());
    build(mode, &folder, None);
    Some(folder)
}

/// Builds the driver of a mode into a folder, with kernels from elsewhere where a folder of them is given.
///
/// # Panics
/// When that fails.
pub fn build(mode: Mode, folder: &Path, kernels: Option<&Path>) {
    std::fs::create_dir_all(folder).expect("a folder for the driver");
    // Tests run side by side, in several processes.
    let lock = File::create(folder.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let mut script = Command::new(sources().join("build.sh"));
    script.arg(folder).arg(mode.name()).args(kernels);
    let output = script.output().expect("build.sh");
    assert!(output.status.success(), "build.sh: {}", String::from_utf8_lossy(&output.stderr));
}

/// The library that must be loaded before all others for a mode, where there is one.
pub fn preload(mode: Mode) -> Option<String> {
    let name = match mode {
        Mode::Plain => return None,
        Mode::Asan => "libasan.so",
        Mode::Tsan => "libtsan.so",
    };
    let output = Command::new("g++").arg(format!("-print-file-name={name}")).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
