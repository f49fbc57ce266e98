//! Wrong input ends with an exit code and a message that names what was expected and what was found.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::run::{no_gstreamer, run, snarm, stderr, stdout, target};

fn check(dir: &Path, line: &str, code: i32, words: &[&str]) {
    let message = stderr(&run(dir, line, code));
    for word in words {
        assert!(message.contains(word), "expected '{word}' of snarm {line} in:\n{message}");
    }
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    let dir = tempfile::tempdir().expect("a folder");
    check(dir.path(), "bank", 2, &["required"]);
    check(dir.path(), "paint", 2, &["unrecognized subcommand"]);
    check(
        dir.path(),
        "bank x -o y --range ten",
        2,
        &["expected stretches of time such as 0-10s", "found 'ten'"],
    );
    check(dir.path(), "bank x -o y --capacity 0", 2, &["expected 1 to 1000000 descriptors", "found '0'"]);
    check(
        dir.path(),
        "bank x -o y --calibration-fraction 0.7",
        2,
        &["expected a number from 0 to 0.5", "'0.7'"],
    );
    let student = "distill --teacher seeded:tiny --out a.safetensors --student vit --dims 100";
    check(dir.path(), student, 1, &["expected a token width that is a multiple of 64, found 100"]);
    check(
        dir.path(),
        "distill --teacher seeded:tiny --out . --drawn 1",
        1,
        &["out: expected a file, found folder ."],
    );
    check(dir.path(), "bench --size big", 2, &["expected WIDTHxHEIGHT", "found 'big'"]);
    let events = "limits a.bank --target-events-per-hour 1e300";
    check(dir.path(), events, 2, &["expected a number from 0.000001 to 1000000, found 1e300"]);
    check(dir.path(), "simulate --out a --width 9", 1, &["expected 64 to 8192 pixels, found 9"]);
}

/// Of numbers that make no training nothing is learned, and no file with what is not a number is left.
#[test]
fn numbers_that_make_no_training_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let rate = "expected a number above 0, up to 1, found";
    for (options, words) in [
        ("--rate nan", format!("rate: {rate} NaN")),
        ("--rate 0", format!("rate: {rate} 0")),
        ("--rate 1e300", format!("rate: {rate} 1")),
        (
            "--width 99999999",
            "width: expected 1 to 512, the width of the teacher's descriptors, found 99999999".to_owned(),
        ),
        ("--width 0", "width: expected 1 to 512".to_owned()),
        (
            "--round 18446744073709551615",
            "round: expected at most 65536, found 18446744073709551615".to_owned(),
        ),
        ("--visits 18446744073709551615", "visits: expected at most 65536".to_owned()),
        ("--checkpoint 0", "checkpoint: expected at least 1 step, found 0".to_owned()),
    ] {
        let line = format!("distill --teacher seeded:tiny --out a.safetensors {options}");
        check(dir, &line, 1, &[&words]);
    }
    for (line, words) in [
        ("--rate 0", format!("learning rate: {rate} 0")),
        ("--rate inf", format!("learning rate: {rate} inf")),
        ("--last-rate nan", "last learning rate: expected a number from 0, found NaN".to_owned()),
        ("--family mambaad --rate nan", format!("learning rate: {rate} NaN")),
        ("--family mambaad --steps 0", "steps: expected at least 1, found 0".to_owned()),
        ("--family mambaad --decay=-1", "weight decay: expected a number from 0, found -1".to_owned()),
    ] {
        check(
            dir,
            &format!("train --setting universal --products 1 --out a.safetensors {line}"),
            1,
            &[&words],
        );
    }
    check(
        dir,
        "train --setting universal --products 1 --out a.safetensors --capacity 0",
        2,
        &["invalid value '0'"],
    );
    assert_eq!(std::fs::read_dir(dir).expect("a folder").count(), 0, "something was written");
}

#[test]
fn variables_without_sense_are_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, value, words) in [
        ("SNARM_THREADS", "5000", ["SNARM_THREADS: expected a number of threads", "'5000'"]),
        ("GST_SNARM_THREADS", "all", ["SNARM_THREADS: expected a number of threads", "'all'"]),
        ("SNARM_ISA", "foo", ["SNARM_ISA: expected portable, avx2 or avx512", "'foo'"]),
        ("SNARM_LOG", "snarm=loud", ["SNARM_LOG: expected a level", "loud"]),
        ("SNARM_LOG", "loud", ["SNARM_LOG: expected a level", "loud"]),
    ] {
        let command = ["simulate", "--out", "a", "--frames", "1"];
        // The shorter name counts where both are set.
        let mut process = snarm();
        process.args(command).current_dir(dir.path()).env_remove("SNARM_THREADS").env(name, value);
        let output = process.output().expect("snarm");
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{name}={value}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{name}={value}: {message}");
    }
    assert!(!dir.path().join("a").exists(), "something was done all the same");
}

#[test]
fn too_little_memory_is_a_message_and_no_signal() {
    let dir = tempfile::tempdir().expect("a folder");
    run(dir.path(), "simulate --as frames --out a --frames 2 --good-frames 4", 0);
    let mut codes = BTreeSet::new();
    // In KiB, from what the command just starts with to what is enough.
    for limit in (40_000..160_000).step_by(4_000) {
        let limited = |line: &str| {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("ulimit -v {limit}; exec \"$0\" {line}")).arg(target().join("snarm"));
            shell.current_dir(dir.path()).output().expect("a shell")
        };
        if !limited("--version").status.success() {
            continue;
        }
        let output = limited("bank a/train -o a.bank --encoder snarm-tiny-1@24");
        let message = stderr(&output);
        let code =
            output.status.code().unwrap_or_else(|| panic!("{limit} KiB: {:?}: {message}", output.status));
        assert!(code == 0 || code == 1 && !message.is_empty(), "{limit} KiB: {code}: {message}");
        codes.insert(code);
    }
    assert_eq!(codes, BTreeSet::from([0, 1]), "limits that are too low and limits that are not");
}

#[test]
fn a_file_that_outgrows_its_limit_is_a_message_and_no_signal() {
    let dir = tempfile::tempdir().expect("a folder");
    let clip = "simulate --out line --good-frames 20 --frames 2 --width 160 --height 120";
    let pictures = "simulate --as frames --out set --good-frames 2 --frames 2 --width 160 --height 120";
    for (line, file) in [(clip, "line/good.mkv"), (pictures, "set/train/good/0000.png")] {
        if line == clip && no_gstreamer() {
            continue;
        }
        let mut shell = Command::new("sh");
        // In blocks of 512 bytes.
        shell.arg("-c").arg(format!("ulimit -f 8; exec \"$0\" {line}")).arg(target().join("snarm"));
        let output = shell.current_dir(dir.path()).output().expect("a shell");
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{line}: {:?}: {message}", output.status);
        assert!(message.contains(file) && !message.contains("signal"), "{line}: {message}");
    }
}

#[test]
fn missing_and_foreign_inputs_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(dir.path().join("empty")).expect("a folder");
    std::fs::write(dir.path().join("broken.png"), b"no picture").expect("a file");
    check(dir.path(), "bank none.png -o a.bank", 1, &["expected an image", "none.png"]);
    check(dir.path(), "bank /dev/null -o a.bank", 1, &["expected an image", "found a device: /dev/null"]);
    check(dir.path(), "bank empty -o a.bank", 1, &["expected images (png, jpg, jpeg, ", "empty"]);
    check(
        dir.path(),
        "bank empty/*.png -o a.bank",
        1,
        &["expected files that match", "found none", "empty/*.png"],
    );
    check(
        dir.path(),
        "bank broken.png -o a.bank",
        1,
        &["expected a PNG, JPEG, BMP, TIFF, WebP or PNM picture", "broken.png"],
    );
    check(dir.path(), "bank broken.png -o a.bank --encoder none.safetensors", 1, &["none.safetensors"]);
    check(dir.path(), "bank broken.png -o a.bank --skip-unreadable", 1, &["too few good frames", "found 0"]);
    check(dir.path(), "bank broken.png -o a.bank --range 0-1s", 1, &["expected a clip, found images only"]);
    assert!(!dir.path().join("a.bank").exists());
    check(dir.path(), "eval --data empty", 1, &["expected folders of categories, found an empty folder"]);
    check(
        dir.path(),
        "eval --data . --categories empty",
        1,
        &["category empty", "expected a folder train/good"],
    );
    check(dir.path(), "launch fly", 1, &["expected one of learn, inspect", "found 'fly'"]);
    check(dir.path(), "launch learn source=a", 1, &["recipe learn", "expected a value for bank, found none"]);
    check(dir.path(), "launch learn sauce=a", 1, &["expected one of the variables", "found 'sauce'"]);
}

#[test]
fn banks_that_do_not_fit_are_refused_and_old_ones_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 6 --frames 2 --width 96 --height 72", 0);
    run(dir, "bank set/train/good -o a.bank --capacity 200 --reduction random", 0);
    let whole = std::fs::read(dir.join("a.bank")).expect("a bank");
    let detect = "detect set/test --out out --bank";
    check(dir, &format!("{detect} none.bank"), 1, &["not found", "none.bank"]);
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(dir.join("cut.bank"), &whole[..length]).expect("a file");
        check(dir, &format!("{detect} cut.bank"), 1, &["expected", "found", "cut.bank"]);
    }
    std::fs::write(
        dir.join("picture.bank"),
        std::fs::read(dir.join("set/train/good/0000.png")).expect("a picture"),
    )
    .expect("a file");
    check(dir, &format!("{detect} picture.bank"), 1, &["expected", "found", "picture.bank"]);
    // A run that fails leaves the bank as it was.
    std::fs::write(dir.join("broken.png"), b"no picture").expect("a file");
    check(dir, "bank set/train/good broken.png -o a.bank", 1, &["broken.png"]);
    assert_eq!(std::fs::read(dir.join("a.bank")).expect("a bank"), whole);
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    std::fs::write(dir.join("file"), b"in the way").expect("a file");
    run(dir, "simulate --out set --as frames --good-frames 5 --frames 1 --width 96 --height 72", 0);
    check(dir, "bank set/train/good -o file/a.bank", 1, &["cannot write", "file"]);
    run(dir, "bank set/train/good -o a.bank --capacity 200 --reduction random", 0);
    check(dir, "detect set/test --bank a.bank --out file", 1, &["file"]);
    check(dir, "simulate --out file", 1, &["cannot write to folder file"]);
}

#[test]
fn clips_that_are_none_or_end_too_early_are_named() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    std::fs::write(dir.join("text.mp4"), "not a clip\n".repeat(500)).expect("a file");
    check(dir, "bank text.mp4 -o a.bank", 1, &["expected a clip", "text.mp4"]);
    run(dir, "simulate --out line --good-frames 3 --frames 2 --width 96 --height 72 --fps 10", 0);
    let words = ["expected frames in the given range", "found a clip of 3 frames and 0.30 s", "good.mkv"];
    check(dir, "bank line/good.mkv -o a.bank --range 5-10s", 1, &words);
}

#[test]
fn a_data_set_with_bad_files_is_refused_with_their_names_or_used_without_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 6 --frames 8 --width 96 --height 72", 0);
    std::fs::write(dir.join("set/train/good/torn.png"), b"no picture").expect("a file");
    std::fs::write(dir.join("set/test/good/torn.png"), b"no picture").expect("a file");
    let eval = "eval --data set --capacity 200 --reduction random";
    let both = ["found 2 bad files", "train/good/torn.png: expected", "test/good/torn.png: expected"];
    check(dir, eval, 1, &both);
    check(dir, &format!("{eval} --on-bad-file skip"), 0, &["skipped", "train/good/torn.png"]);
    check(dir, &format!("{eval} --layout visa"), 1, &["expected a folder Data/Images/Normal (layout visa)"]);
    check(dir, &format!("{eval} --on-bad-file ask"), 2, &["expected skip or fail, found ask"]);
}

/// Clears a screen, in two ways, and pretends to be another line.
const STEERING: &str = "\u{1b}[2J\u{9b}2J\r\nsnarm: done";

/// A file of safetensors with one tensor of that name and, if given, an entry of ours.
fn safetensors(entry: Option<String>, tensor: &str) -> Vec<u8> {
    let mut header = serde_json::json!({ tensor: { "dtype": "F32", "shape": [0], "data_offsets": [0, 0] } });
    if let Some(entry) = entry {
        header["__metadata__"] = serde_json::json!({ "snarm": entry });
    }
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header].concat()
}

#[test]
fn what_files_call_themselves_does_not_steer_the_terminal() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).expect("a file");
    let entry = |format: &str| Some(serde_json::json!({ "format": format, "version": STEERING }).to_string());
    write("format.bank", &safetensors(entry(STEERING), "a"));
    write("version.bank", &safetensors(entry("snarm-bank"), "a"));
    write("tensor.safetensors", &safetensors(None, STEERING));
    write("name.pth", b"\x80\x02c\x1b[2J\xc2\x9b2J\r\nname\n.");
    write("results.jsonl", format!("{{\"score\":\"{STEERING}\"}}").as_bytes());
    let folder = "in\u{1b}[2J\u{9b}2J".to_owned();
    std::fs::create_dir(dir.path().join(&folder)).expect("a folder");
    write(&format!("{folder}/\u{1b}[2J\u{9b}2J.png"), b"no picture");
    for line in [
        "detect FOLDER --bank format.bank --out out",
        "detect FOLDER --bank version.bank --out out",
        "convert tensor.safetensors -o out.pth",
        "convert name.pth -o out.safetensors",
        "bank FOLDER -o out.bank",
        "bank FOLDER -o out.bank --skip-unreadable",
        "eval --data FOLDER",
        "worst --video a.mkv --results results.jsonl --out out",
    ] {
        let arguments = line.split(' ').map(|word| if word == "FOLDER" { folder.as_str() } else { word });
        let output = snarm().args(arguments).current_dir(dir.path()).output().expect("snarm starts");
        assert_eq!(output.status.code(), Some(1), "{line}");
        let said = stdout(&output) + &stderr(&output);
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!said.contains(steers) && !said.contains("\nsnarm: done"), "{line}: {said:?}");
        let escaped = ["\\u001b", "\\x1b", "\\u{1b}"].iter().any(|escape| said.contains(escape));
        assert!(escaped || line.starts_with("worst"), "{line}: {said}");
    }
}

/// A pipeline of a shell asks a command how it ended, whoever reads what it prints.
#[test]
fn a_reader_who_leaves_changes_no_exit_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 6 --frames 2 --width 96 --height 72", 0);
    run(dir, "bank set/train/good -o a.bank --capacity 200 --reduction random", 0);
    let detect = "detect set/test --bank a.bank --out out --pictures none --no-quality-gate";
    for (line, code) in [
        ("doctor nowhere".to_owned(), 1),
        (detect.to_owned(), 0),
        (format!("{detect} --fail-on-anomaly --threshold 0"), 3),
        ("launch".to_owned(), 0),
        ("launch fly".to_owned(), 1),
    ] {
        run(dir, &line, code);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = snarm();
        command.args(line.split(' ')).current_dir(dir).stdout(writer);
        let output = command.output().expect("snarm starts");
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "snarm {line}: {message}");
        assert!(!message.contains("standard output"), "snarm {line}: {message}");
    }
}

#[test]
fn a_standard_output_that_is_full_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = snarm().arg("launch").current_dir(dir.path()).stdout(full).output().expect("snarm starts");
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("cannot write to standard output: No space left on device"), "{message}");
}

/// Root may have any number of threads: what is limited here is the room for their stacks, of 4 GiB each.
#[test]
fn a_process_that_may_have_few_threads_ends_with_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 4 --frames 1 --width 96 --height 72", 0);
    run(dir, "bank set/train/good -o part.bank --capacity 100 --reduction random", 0);
    let limited = |kilobytes: u32, line: &str| -> (Option<i32>, String) {
        let asked = snarm();
        let mut command = Command::new("timeout");
        let script = format!("ulimit -v {kilobytes}; exec \"$0\" \"$@\"");
        command.args(["--kill-after=5", "60", "sh", "-c", &script]).arg(asked.get_program());
        command.args(line.split_whitespace()).current_dir(dir);
        command.envs(asked.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SNARM_THREADS", "1").env("RUST_MIN_STACK", (4_u64 << 30).to_string());
        let output = command.output().expect("snarm starts");
        (output.status.code(), stderr(&output))
    };
    let none = 3_000_000;
    let (code, said) = limited(none, "detect set/test/good --bank part.bank --out out --pictures none");
    assert!(code == Some(1) && said.contains("thread pool: expected 1 threads"), "{code:?} {said}");
    if no_gstreamer() {
        return;
    }
    let line =
        "launch videotestsrc num-buffers=3 ! videoconvert ! snarmdetect bank-location=part.bank ! fakesink";
    // None; that of the signals; that of the pool, too; one for the stream.
    for (kilobytes, expected) in [
        (none, "cannot listen to signals"),
        (7_000_000, "thread pool: expected 1 threads"),
        (11_000_000, "threads: expected 2 for the stream beside the pool"),
        (14_500_000, "threads: expected 2 for the stream beside the pool"),
    ] {
        let (code, said) = limited(kilobytes, line);
        assert!(code == Some(1) && said.contains(expected), "{kilobytes}: {code:?} {said}");
    }
}

#[test]
fn the_making_of_a_bank_says_how_far_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 20 --frames 1 --width 96 --height 72", 0);
    // A terminal, whose bars are drawn on standard error.
    let asked = snarm();
    let program = asked.get_program().display().to_string();
    let line = format!(
        "{program} bank set/train/good -o part.bank --capacity 500 --reduction random 2>&1 >/dev/null"
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(dir).env("TERM", "xterm");
    let output = command.stdin(std::process::Stdio::null()).output().expect("script of util-linux starts");
    let drawn = stdout(&output);
    assert!(output.status.success(), "{drawn}");
    for stage in ["learn", "calibrate"] {
        let shares = drawn
            .split(stage)
            .skip(1)
            .filter_map(|bar| bar.split_once(" %")?.0.rsplit(' ').next()?.parse().ok());
        let shares: Vec<u32> = shares.collect();
        assert!(shares.iter().any(|share| (1..100).contains(share)), "{stage}: {shares:?} of {drawn:?}");
    }
}
