//! Rules of the house that a compiler does not check: who may know whom, and what must not be forgotten.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "tidy/loops.rs"]
mod loops;
#[path = "tidy/operands.rs"]
mod operands;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Rooms, and the rooms that each may know.
const ROOMS: [(&str, &[&str]); 7] = [
    ("snarm-kernels", &[]),
    ("snarm-core", &["snarm-kernels"]),
    ("gst-plugin-snarm", &["snarm-core"]),
    ("snarm-player", &[]),
    ("snarm-station", &["snarm-core"]),
    ("snarm-pipelines", &["snarm-core", "snarm-station"]),
    ("snarm-tests", &["snarm-kernels", "snarm-core", "gst-plugin-snarm", "snarm-pipelines"]),
];

/// Rooms, and the beginnings of the names of crates that must not be found below them, however far down.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    ("snarm-kernels", &["gst", "glib", "clap", "indicatif", "image", "safetensors", "candle"]),
    ("snarm-core", &["gst", "glib", "clap", "indicatif"]),
    ("gst-plugin-snarm", &["clap", "indicatif"]),
    ("snarm-player", &["clap", "indicatif", "image", "safetensors", "candle"]),
    ("snarm-station", &["gst", "glib", "clap", "indicatif"]),
    ("snarm-pipelines", &["gst", "glib"]),
    // Elements keep no network code.
    ("gst-plugin-snarm", &["tokio", "axum", "hyper", "rumqttc", "async-nats", "rusqlite"]),
    ("snarm-player", &["tokio", "axum", "hyper", "rumqttc", "async-nats", "rusqlite"]),
];

/// Files that may hold unsafe code, each of them with a lint expectation and its reason.
const UNSAFE: [&str; 17] = [
    "kernels/examples/linear_vs_gemm.rs",
    "kernels/src/device/cuda/context.rs",
    "kernels/src/device/cuda/driver.rs",
    "kernels/src/device/cuda/graph.rs",
    "kernels/src/device/cuda/memory.rs",
    "kernels/src/device/cuda/mirror.rs",
    "kernels/src/device/cuda/queue.rs",
    "kernels/src/nearest/pairs.rs",
    "kernels/src/nearest/vnni.rs",
    "kernels/src/testing.rs",
    "kernels/src/tile/bf16.rs",
    "plugins/src/analytics.rs",
    "plugins/src/cuda/library.rs",
    "plugins/src/overlay/analytics.rs",
    "tests/tests/allocations.rs",
    "tests/tests/elements/common.rs",
    "tests/tests/elements/process.rs",
];

/// Files that write in another way than `snarm_core::files` does, which puts whole files in place; and why they do.
const WRITERS: [(&str, &str); 7] = [
    (
        "pipelines/src/commands/results.rs",
        "lines of a run that goes on; what was judged stays when it is killed",
    ),
    (
        "pipelines/src/download.rs",
        "the part of a download, which goes on after an interruption, and is renamed",
    ),
    (
        "pipelines/station/src/hub/objects.rs",
        "an object on its way from a hub, renamed when its digest is the signed one",
    ),
    ("pipelines/station/src/hub/keys.rs", "a key, made anew or not at all"),
    (
        "pipelines/station/src/output/opcua/trust.rs",
        "an empty file with the mode of a key, which is put in its place",
    ),
    ("pipelines/station/src/store/mod.rs", "a lock, which holds nothing"),
    ("plugins/src/detect/log.rs", "lines of a stream that goes on"),
];

/// Parts that every folder of a kernel has.
const KERNEL_PARTS: [&str; 3] = ["mod.rs", "reference.rs", "tests.rs"];

/// Folders beside the kernels: where they run, and what matrix products are made of.
const NO_KERNELS: [&str; 2] = ["device", "tile"];

/// Bodies of kernels that are not called `cpu.rs`: two published ways to resize, each a kernel of its own.
const OTHER_BODIES: [(&str, &[&str]); 1] = [("resize", &["opencv.rs", "pil.rs"])];

/// A subfolder, and the beginnings of the paths of those who may name it.
type Exception = (&'static str, &'static [&'static str]);

/// Folders whose subfolders nobody but their index names: families of models, and networks. Beside the index those files
/// may, of which the subfolder and the beginnings of the paths stand here.
const KINDS: [(&str, &[Exception]); 2] = [
    (
        "snarm-core/src/models",
        &[
            // The one family that trains, is converted, and scores without a decoder.
            ("snarm", &["snarm-core/src/training/", "snarm-core/src/convert/", "snarm-core/src/bank/"]),
            // What two families have in common.
            ("reconstruction", &["snarm-core/src/models/mambaad/", "snarm-core/src/models/pyramid_mamba/"]),
            ("reconstruction", &["snarm-core/src/training/reconstruction/", "pipelines/src/commands/train/"]),
            ("reconstruction", &["snarm-core/src/convert/"]),
        ],
    ),
    (
        "snarm-core/src/encoder",
        &[
            ("efficientnet", &["snarm-core/src/encoder/network.rs"]),
            ("resnet", &["snarm-core/src/encoder/network.rs"]),
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    let full = root().join(path);
    std::fs::read_to_string(&full).unwrap_or_else(|e| panic!("{}: {e}", full.display()))
}

/// Names in a folder, sorted.
fn names(folder: &str) -> Vec<String> {
    let full = root().join(folder);
    let entries = full.read_dir().unwrap_or_else(|e| panic!("{}: {e}", full.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// All files of the repository, as paths from its root, without what is built.
fn files() -> Vec<String> {
    fn walk(root: &Path, folder: &str, found: &mut Vec<String>) {
        for name in names(folder) {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match path.as_str() {
                ".git" | "target" | "demo-out" => {}
                // What a search for hostile bytes makes.
                "tests/fuzz/target" | "tests/fuzz/corpus" | "tests/fuzz/artifacts" => {}
                path if root.join(path).is_dir() => walk(root, path, found),
                _ => found.push(path),
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), "", &mut found);
    found
}

/// Complaints must be none.
#[track_caller]
fn check(rule: &str, complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

/// The crates of this workspace as cargo describes them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Names of the crates that a package uses; those of its tests alone are left out.
fn dependencies(package: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|d| d["kind"] != "dev").map(|d| d["name"].as_str().unwrap().to_owned()).collect()
}

/// What each crate of the lock file uses, by name.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in read("Cargo.lock").split("[[package]]").skip(1) {
        let quoted = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
        let name = quoted(package.lines().find(|line| line.starts_with("name = ")).unwrap());
        let used = package.lines().skip_while(|line| *line != "dependencies = [").skip(1);
        let used = used.take_while(|line| *line != "]");
        // An entry is `name` or, where there are several of that name, `name version`.
        let first = |line: &str| quoted(line).split(' ').next().unwrap_or_default().to_owned();
        all.entry(name).or_default().extend(used.map(first));
    }
    all
}

#[test]
fn rooms_know_only_the_rooms_they_may() {
    let packages = packages();
    let found: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(found, ROOMS.iter().map(|(room, _)| *room).collect());
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ROOMS.iter().find(|(room, _)| *room == name).unwrap();
        let known = dependencies(package).into_iter().filter(|d| found.contains(d.as_str()));
        let too_many = known.filter(|d| !allowed.contains(&d.as_str()));
        check("allowed edges are in ARCHITECTURE.md", too_many.map(|d| format!("{name} knows {d}")));
    }
}

#[test]
fn no_room_stands_on_a_crate_that_it_must_not_know() {
    let (packages, locked) = (packages(), locked());
    for (room, forbidden) in FORBIDDEN {
        let package = packages.iter().find(|p| p["name"] == room).unwrap();
        let mut open: Vec<String> = dependencies(package).into_iter().collect();
        let mut below = BTreeSet::new();
        while let Some(name) = open.pop() {
            if below.insert(name.clone()) {
                open.extend(locked.get(&name).unwrap_or_else(|| panic!("{name} is not locked")).clone());
            }
        }
        assert!(below.len() > 5, "{room}: {below:?}");
        let wrong = below.iter().filter(|name| forbidden.iter().any(|start| name.starts_with(start)));
        check("forbidden crates", wrong.map(|name| format!("{room} stands on {name}")));
    }
}

#[test]
fn every_kernel_has_its_contract_reference_body_and_tests() {
    let folders = names("kernels/src").into_iter();
    let folders = folders.filter(|name| !name.contains('.') && !NO_KERNELS.contains(&name.as_str()));
    let mut complaints = Vec::new();
    let mut count = 0;
    for op in folders {
        count += 1;
        let files = names(&format!("kernels/src/{op}"));
        let bodies = OTHER_BODIES.iter().find(|(name, _)| *name == op).map_or(&["cpu.rs"][..], |(_, b)| b);
        for part in KERNEL_PARTS.iter().chain(bodies) {
            if !files.iter().any(|file| file == part) {
                complaints.push(format!("kernels/src/{op} has no {part}"));
            }
        }
        let has = |part: &str| files.iter().any(|file| file == part);
        for file in files.iter().filter_map(|file| file.strip_suffix(".cu")) {
            if file != op || !has("cuda.rs") || !has(&format!("{file}.ptx")) {
                complaints.push(format!(
                    "kernels/src/{op}/{file}.cu is not called {op}.cu, or has no cuda.rs or PTX"
                ));
            }
        }
        let contract = root().join(format!("kernels/src/{op}/mod.rs"));
        let contract = std::fs::read_to_string(contract).unwrap_or_default();
        if !contract.starts_with("//!") || !contract.contains("//! # Shapes") {
            complaints.push(format!("kernels/src/{op}/mod.rs does not begin with a contract and its shapes"));
        }
    }
    assert!(count >= 10, "{count} kernels");
    check("one op, one folder", complaints);
}

#[test]
fn a_family_or_a_network_is_named_by_its_index_alone() {
    let is_source = |path: &String| {
        path.ends_with(".rs")
            && path.contains("/src/")
            && !path.contains("/tests")
            && !path.starts_with("tests/")
    };
    let sources: Vec<(String, String)> = files()
        .into_iter()
        .filter(is_source)
        .map(|path| {
            let text = read(&path);
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            let code = code.collect::<Vec<_>>().join("\n");
            (path, code)
        })
        .collect();
    let names_it = |code: &str, name: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        code.match_indices(&format!("{name}::")).any(|(at, _)| !code[..at].ends_with(is_part))
    };
    let mut complaints = Vec::new();
    let mut count = 0;
    for (folder, exceptions) in KINDS {
        let index = format!("{folder}/mod.rs");
        for kind in names(folder).into_iter().filter(|name| !name.contains('.')) {
            let own = format!("{folder}/{kind}/");
            let may = |path: &str| {
                let listed =
                    exceptions.iter().filter(|(name, _)| *name == kind).flat_map(|(_, paths)| *paths);
                path == index || path.starts_with(&own) || listed.clone().any(|start| path.starts_with(start))
            };
            count += 1;
            assert!(
                sources.iter().any(|(path, code)| *path == index && names_it(code, &kind)),
                "{index}: {kind}"
            );
            let named = sources.iter().filter(|(path, code)| !may(path) && names_it(code, &kind));
            complaints.extend(named.map(|(path, _)| format!("{path} names {kind}")));
        }
    }
    assert!(count >= 6, "{count} families and networks");
    check("a family is one folder and one arm, a network too", complaints);
}

#[test]
fn every_element_and_recipe_is_documented_and_every_recipe_is_run() {
    let readme = read("README.md");
    let sources =
        files().into_iter().filter(|path| path.starts_with("plugins/src/") && path.ends_with(".rs"));
    let mut elements = Vec::new();
    for source in sources {
        for call in read(&source).split("Element::register(").skip(1) {
            elements.push(call.split('"').nth(1).unwrap().to_owned());
        }
    }
    assert!(elements.len() >= 3, "{elements:?}");
    check("elements are in README.md", elements.into_iter().filter(|name| !readme.contains(name.as_str())));

    let docs = files().into_iter().filter(|path| path.starts_with("docs/") && path.ends_with(".md"));
    let texts: Vec<String> = docs.map(|path| read(&path)).chain([readme]).collect();
    let runs: String = files()
        .iter()
        .filter(|path| path.starts_with("tests/tests/recipes/"))
        .map(|path| read(path))
        .collect();
    let mut complaints = Vec::new();
    for file in names("pipelines/launch") {
        let name = file.strip_suffix(".launch").unwrap_or_else(|| panic!("{file} is no recipe"));
        if !texts.iter().any(|text| text.contains(name)) {
            complaints.push(format!("{file} is not in README.md or docs/"));
        }
        if !runs.contains(&format!("\"{name}\"")) {
            complaints.push(format!("{file} is not run by tests/tests/recipes"));
        }
    }
    check("recipes are documented and run", complaints);
}

#[test]
fn unsafe_code_is_where_it_is_allowed_and_nowhere_else() {
    let has = |path: &String, word: &str| path.ends_with(".rs") && read(path).contains(word);
    // The words are put together here, so that this file does not hold them.
    let (lint, block) = (concat!("(unsafe", "_code"), concat!("unsafe", " "));
    let expected: BTreeSet<String> = UNSAFE.iter().map(|path| path.to_string()).collect();
    let files = files();
    let found: BTreeSet<String> = files.iter().filter(|path| has(path, lint)).cloned().collect();
    check("files that allow unsafe code", found.symmetric_difference(&expected).cloned());
    for keyword in ["{", "impl", "fn", "extern"] {
        let block = format!("{block}{keyword}");
        let outside = files.iter().filter(|path| has(path, &block) && !expected.contains(*path));
        check(&block, outside.cloned());
    }
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let mut complaints = Vec::new();
    for path in files() {
        // Pictures and numbers are no text.
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        for folder in folders.iter().filter(|folder| text.contains(**folder)) {
            complaints.push(format!("{path} names {folder}"));
        }
    }
    check("paths of one machine", complaints);
}

#[test]
fn documents_speak_of_the_project_alone() {
    let words = ["session", "sessions", "helper agent", "helper agents"];
    let mut complaints = Vec::new();
    for path in files().into_iter().filter(|path| path.ends_with(".md")) {
        let text: String =
            read(&path).to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
        let text = format!(" {} ", text.split_whitespace().collect::<Vec<_>>().join(" "));
        for word in words.iter().filter(|word| text.contains(&format!(" {word} "))) {
            complaints.push(format!("{path} says {word:?}"));
        }
    }
    check("words that do not belong here", complaints);
}

/// What stands in a source before its tests.
fn without_tests(text: &str) -> &str {
    let begins = |at: &usize| {
        let behind = text[*at..].lines().skip(1).find(|line| !line.starts_with("#["));
        behind.is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    };
    let tests = text.match_indices("#[cfg(test)]").map(|(at, _)| at).find(begins);
    tests.map_or(text, |at| &text[..at])
}

#[test]
fn files_are_put_in_place_as_a_whole() {
    let ways = ["File::create(", "fs::write(", ".create(true)", ".create_new(true)", ".save_with_format("];
    let rooms = [
        "snarm-core/src/",
        "plugins/src/",
        "pipelines/src/",
        "pipelines/player/src/",
        "pipelines/station/src/",
    ];
    let is_source = |path: &String| {
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        path.ends_with(".rs") && !is_test && rooms.iter().any(|room| path.starts_with(room))
    };
    let mut used = BTreeSet::new();
    for path in files().into_iter().filter(is_source) {
        let text = read(&path);
        if let Some(way) = ways.iter().find(|way| without_tests(&text).contains(**way)) {
            let reason = WRITERS.iter().find(|(known, _)| *known == path);
            assert!(
                reason.is_some(),
                "{path}: {way}...): expected snarm_core::files, which put whole files in place"
            );
            used.insert(path);
        }
    }
    let unused: Vec<_> = WRITERS.iter().filter(|(path, _)| !used.contains(*path)).collect();
    assert!(unused.is_empty(), "they write as all others do: {unused:?}");
}
