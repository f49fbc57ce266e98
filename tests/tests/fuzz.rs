//! Hostile bytes: every seed and a bounded number of changes to it, the same in every run. The long search, guided by
//! coverage, is `make fuzz`; a longer one without cargo-fuzz is this with `SNARM_FUZZ_RUNS` and `SNARM_FUZZ_SEED`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use snarm_core::models::Decoder;
use snarm_tests::fuzzing::mutate::{Random, mutate};
use snarm_tests::fuzzing::{ENTRIES, Entry};

/// Changed inputs of each kind, and the seed of what is changed, where the environment names no others.
const RUNS: usize = 2000;
const SEED: u64 = 7;

/// The longest that one input may take, with all else that the machine does meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most memory that this process may ever have had, in bytes.
const MEMORY: u64 = 1 << 30;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The seeds of a kind, by name.
fn seeds(entry: &Entry) -> Vec<Vec<u8>> {
    let folders = entry.seeds.iter().map(|folder| root().join("data").join(folder));
    let mut paths: Vec<PathBuf> =
        folders.flat_map(|folder| folder.read_dir().unwrap().map(|file| file.unwrap().path())).collect();
    paths.retain(|path| path.extension().is_none_or(|ending| ending != "py"));
    paths.sort_unstable();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// Reads bytes; what brings a parser down is kept for the one who mends it.
fn run(entry: &Entry, bytes: &[u8]) {
    let started = Instant::now();
    let read = catch_unwind(|| (entry.read)(bytes));
    let (took, peak) = (started.elapsed(), peak());
    if read.is_err() || took > PATIENCE || peak > MEMORY {
        let kept = std::env::temp_dir().join(format!("snarm-fuzz-{}", entry.name));
        std::fs::write(&kept, bytes).unwrap();
        panic!(
            "{}: {} bytes took {took:?} and {peak} bytes of memory: {}",
            entry.name,
            bytes.len(),
            kept.display()
        );
    }
}

fn check(name: &str) {
    let entry = ENTRIES.iter().find(|entry| entry.name == name).unwrap();
    let seeds = seeds(entry);
    assert!(seeds.len() >= 3, "{name}: {} seeds", seeds.len());
    run(entry, b"");
    seeds.iter().for_each(|seed| run(entry, seed));
    let given = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let mut random = Random::new(given("SNARM_FUZZ_SEED").unwrap_or(SEED));
    let runs = given("SNARM_FUZZ_RUNS").map_or(RUNS, |runs| runs as usize);
    for _ in 0..runs {
        run(entry, &mutate(&seeds, &mut random));
    }
}

#[test]
fn seeds_of_decoders_that_reconstruct_are_whole_but_for_what_they_lack() {
    let open = |name: &str| Decoder::open(&root().join("data/fuzz/decoder").join(name));
    let decoder = open("reconstruction").unwrap();
    assert!(decoder.family() == "mambaad" && !decoder.needs_memory(), "{decoder:?}");
    let error = open("reconstruction-published").err().unwrap().to_string();
    assert!(
        error.contains("index_flat of 4096 places") && error.contains("found none of that name"),
        "{error}"
    );
}

#[test]
fn banks_of_any_bytes_are_read_or_refused() {
    check("bank");
}

#[test]
fn decoders_of_any_bytes_are_read_or_refused() {
    check("decoder");
}

#[test]
fn encoders_of_any_bytes_are_read_or_refused() {
    check("encoder");
}

#[test]
fn pickles_of_any_bytes_are_read_or_refused() {
    check("pickle");
}

#[test]
fn masks_of_any_bytes_are_read_or_refused() {
    check("mask");
}

#[test]
fn pictures_of_any_bytes_are_read_or_refused() {
    check("picture");
}

#[test]
fn video_of_any_bytes_is_read_or_refused() {
    check("y4m");
}

#[test]
fn tables_of_any_bytes_are_read_or_refused() {
    check("visa");
}

#[test]
fn results_of_any_bytes_are_read_or_refused() {
    check("results");
}

/// Every kind has seeds that are read as what they are: a search that starts with refusals goes nowhere.
#[test]
fn every_kind_has_a_target_and_a_test() {
    let tests = include_str!("fuzz.rs");
    let script = std::fs::read_to_string(root().join("../pipelines/scripts/fuzz.sh")).unwrap();
    let targets = root().join("fuzz/fuzz_targets").read_dir().unwrap();
    let targets: BTreeSet<String> =
        targets.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let names: BTreeSet<String> = ENTRIES.iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(targets, names);
    let all = script.lines().find_map(|line| line.strip_prefix("all=\"")).unwrap().trim_end_matches('"');
    assert_eq!(all.split(' ').map(str::to_owned).collect::<BTreeSet<_>>(), names);
    for name in names {
        assert!(tests.contains(&format!("check(\"{name}\")")), "{name}");
    }
}
