//! The PTX of the CUDA kernels is that of their sources, what is shipped needs nothing of CUDA to be built or to start, and
//! every architecture takes it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use snarm_tests::skip::skip;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The sources of kernels.
fn kernels() -> Vec<PathBuf> {
    let folders = root().join("kernels/src").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let of = |folder: PathBuf| folder.join(folder.file_name().unwrap()).with_extension("cu");
    let mut all: Vec<PathBuf> = folders.map(of).filter(|path| path.is_file()).collect();
    all.sort_unstable();
    all
}

/// A kernel and all that it includes, each once, in the order in which they are met.
fn sources(kernel: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut open = vec![kernel.to_owned()];
    while let Some(path) = open.pop() {
        if found.contains(&path) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let names = text.lines().filter_map(|line| line.strip_prefix("#include \"")?.strip_suffix('"'));
        let paths = names.map(|name| root().join("kernels/src/device/cuda").join(name));
        open.extend(paths.rev());
        found.push(path);
    }
    found
}

/// The digest that `kernels.py` writes above the PTX.
fn digest(kernel: &Path) -> String {
    let mut hash = Sha256::new();
    for path in sources(kernel) {
        hash.update(path.file_name().unwrap().as_encoded_bytes());
        hash.update([0]);
        hash.update(std::fs::read(&path).unwrap());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the script; nothing where it lacks what it needs.
fn script(option: &str) -> Option<String> {
    let output = Command::new(root().join("pipelines/scripts/kernels.py")).arg(option).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.code() == Some(77) {
        match option {
            "--check" => skip("nvrtc", text),
            _ => skip("ptxas", text),
        }
        return None;
    }
    assert!(output.status.success(), "{text}");
    Some(text)
}

#[test]
fn ptx_is_that_of_its_source() {
    let all = kernels();
    assert!(!all.is_empty());
    for kernel in all {
        let ptx = std::fs::read_to_string(kernel.with_extension("ptx")).unwrap();
        let first = ptx.lines().next().unwrap();
        let expected = format!("// Made by `make kernels`; sources: {}", digest(&kernel));
        assert_eq!(first, expected, "{}: make kernels", kernel.display());
        assert!(ptx.contains("\n.version 7.8\n.target sm_80\n"), "{}", kernel.display());
    }
    script("--check");
}

#[test]
fn every_architecture_takes_the_kernels_without_spills() {
    if let Some(text) = script("--assemble") {
        assert!(text.contains("registers"), "{text}");
    }
}

#[test]
fn only_the_header_holds_ptx_and_no_kernel_holds_shared_memory_of_its_own() {
    for kernel in kernels() {
        for path in sources(&kernel) {
            let text = std::fs::read_to_string(&path).unwrap();
            let is_header = path.ends_with("device.cuh");
            let line = format!("{}", path.display());
            assert!(is_header || !text.contains("asm"), "{line} holds PTX");
            assert!(is_header || !text.contains("__shared__"), "{line} holds shared memory of its own");
            // The whole warp, by its one name.
            assert!(!text.contains("_sync(0x") && !text.contains("__activemask"), "{line} names lanes");
        }
    }
}

#[test]
fn the_compiler_of_kernels_is_no_part_of_what_ships() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("cudarc = ")).unwrap();
    assert!(line.contains("fallback-dynamic-loading") && !line.contains("nvrtc"), "{line}");
}
