//! Scores, maps, regions and lines of results stay what they are while the house is rebuilt: digests of what the shipped
//! default finds in pictures, in a clip and on the simulated line, at every CPU level of this machine.
//!
//! The digests hold where they were made, by that machine's C library: `cargo test -p snarm-tests --test same -- --ignored`
//! before and after a step that must change nothing, and `SNARM_UPDATE_SNAPSHOTS=1` first on another machine.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "cli/run.rs"]
mod run;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use snarm_core::simd::Isa;

/// Where the digests are.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/same.txt");

/// What lines of results have been given since the digests were made.
const LATER: [&str; 8] = [
    "stream-time",
    "running-time",
    "duration",
    "stale",
    "threshold-low",
    "source-id",
    "model-id",
    "bank-generation",
];

const WIDTH: usize = 144;
const HEIGHT: usize = 96;

/// Value of a pixel of part number `i`; from 100 on with a bright spot that moves.
fn value(i: usize, c: usize, x: usize, y: usize) -> u8 {
    let (left, top) = (20 + 9 * (i % 7), 16 + 11 * (i % 5));
    let spot = (left..left + 22).contains(&x) && (top..top + 17).contains(&y);
    let part = 60 + (3 * x + 5 * y + c * 7) % 40 + (x * 31 + y * 17 + i * 101 + c * 13) % 11;
    (if i >= 100 && spot { part + 90 - 30 * c } else { part }) as u8
}

/// Writes the parts of these numbers as pictures, and the same as a clip.
fn write(folder: &Path, numbers: &[usize]) {
    std::fs::create_dir_all(folder).unwrap();
    let mut clip = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip A1:1 C420jpeg\n").into_bytes();
    for (at, i) in numbers.iter().enumerate() {
        let picture = image::RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| {
            image::Rgb([0, 1, 2].map(|c| value(*i, c, x as usize, y as usize)))
        });
        picture.save(folder.join(format!("{at:03}.png"))).unwrap();
        clip.extend_from_slice(b"FRAME\n");
        for (c, step) in [(0, 1), (1, 2), (2, 2)] {
            for y in (0..HEIGHT).step_by(step) {
                clip.extend((0..WIDTH).step_by(step).map(|x| value(*i, c, x, y)));
            }
        }
    }
    std::fs::write(folder.with_extension("y4m"), clip).unwrap();
}

/// Digest of all that `snarm detect` wrote but for the time it took.
fn digest(dir: &Path, out: &str) -> String {
    let mut hash = Sha256::new();
    let results = std::fs::read_to_string(dir.join(out).join("results.jsonl")).unwrap();
    assert!(results.lines().count() >= 2, "{out}: {results}");
    for text in results.lines() {
        let mut line: Value = serde_json::from_str(text).unwrap();
        let fields = line.as_object_mut().unwrap();
        fields.remove("latency");
        LATER.iter().for_each(|name| _ = fields.remove(*name));
        hash.update(line.to_string());
        hash.update(std::fs::read(dir.join(out).join(line["map"].as_str().unwrap())).unwrap());
        let drawn = image::open(dir.join(out).join(line["annotated"].as_str().unwrap())).unwrap();
        hash.update(drawn.into_rgb8().as_raw());
    }
    hash.finalize().iter().take(12).map(|b| format!("{b:02x}")).collect()
}

/// Learns and inspects as users do, at one level.
fn digests(dir: &Path, level: Isa) -> String {
    let snarm = |arguments: &str| {
        let mut command = run::snarm();
        command.env("SNARM_ISA", level.name()).env("SNARM_THREADS", "2").current_dir(dir);
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", run::stderr(&output));
    };
    let view = "--crop letterbox --roi 0.125,0.25,0.75,0.5 --ignore-mask mask.png";
    let mut all = String::new();
    for (what, good, new, learn, inspect) in [
        ("pictures", "good", "new", "", ""),
        ("clip", "good.y4m", "new.y4m", "", ""),
        ("line", "line/train/good", "line/test", "", ""),
        ("part", "good", "new", view, "--min-area 0.001 --max-regions 3"),
        ("without-decoder", "good.y4m", "new.y4m", view, "--model none"),
        ("grid", "good", "new", "--encoder snarm-tiny@28 --crop paper --min-novelty 0.001", ""),
        ("transformer", "good", "new", "--encoder seeded:tiny@36", "--threshold 0.3 --pixel-threshold 0.4"),
    ] {
        snarm(&format!("bank {good} --out {what}.bank --capacity 1500 {learn}"));
        snarm(&format!("detect {new} --bank {what}.bank --out {what} --pictures all {inspect}"));
        writeln!(all, "{} {what} {}", level.name(), digest(dir, what)).unwrap();
    }
    all
}

#[test]
#[ignore = "the digests are those of one machine"]
fn what_is_found_is_what_was_found() {
    if run::no_gstreamer() {
        return;
    }
    let mut made = String::new();
    for level in Isa::available() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("good"), &[0, 1, 2, 3, 4, 5]);
        write(&dir.path().join("new"), &[10, 100, 11, 101, 102]);
        let mask =
            image::GrayImage::from_fn(48, 32, |x, y| image::Luma([if x < 10 && y > 20 { 255 } else { 0 }]));
        mask.save(dir.path().join("mask.png")).unwrap();
        let line =
            "simulate --out line --as frames --seed 5 --good-frames 6 --frames 5 --width 160 --height 120";
        run::run(dir.path(), line, 0);
        made += &digests(dir.path(), level);
    }
    if std::env::var_os("SNARM_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(KEPT, &made).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(KEPT).unwrap();
    // A level that the digests were not made at is told by none of them.
    let name = |line: &str| line.rsplit_once(' ').map(|(name, _)| name.to_owned());
    let known: Vec<&str> =
        made.lines().filter(|line| kept.lines().any(|kept| name(kept) == name(line))).collect();
    assert!(!known.is_empty(), "no digests for this machine");
    let changed: Vec<&str> =
        known.into_iter().filter(|line| !kept.lines().any(|kept| kept == *line)).collect();
    assert!(changed.is_empty(), "changed:\n{}", changed.join("\n"));
}
