//! Files of others: held, special, linked, left behind. No run replaces what is no file, waits for ever, or loses what
//! another one wrote.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;

use crate::run::{run, snarm, stderr, stdout};

/// Some good pictures in `set/train/good`, two of them copies, and a bank of them.
fn learned(dir: &Path) {
    run(dir, "simulate --out set --as frames --good-frames 6 --frames 2 --width 96 --height 72", 0);
    for name in ["0000", "0003"] {
        let picture = dir.join(format!("set/train/good/{name}.png"));
        fs::copy(&picture, dir.join(format!("set/train/good/copy-of-{name}.png"))).expect("a copy");
    }
    let line = run(dir, "bank set/train/good -o part.bank --capacity 400 --reduction random", 0);
    assert!(stdout(&line).contains("from 8 frames, 2 of them copies;"), "{}", stdout(&line));
}

fn fifo(dir: &Path, name: &str) {
    assert!(Command::new("mkfifo").arg(dir.join(name)).status().expect("mkfifo").success());
}

#[test]
fn two_runs_that_add_to_a_bank_lose_no_frame() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    learned(dir);
    let line = "bank set/test -o part.bank --append --capacity 400 --reduction random";
    let before = fs::read(dir.join("part.bank")).expect("a bank");
    {
        let file = File::open(dir.join("part.bank")).expect("a bank");
        file.lock().expect("a lock");
        let message = stderr(&run(dir, line, 1));
        assert!(message.contains("cannot write bank: somebody else is writing it: part.bank"), "{message}");
    }
    assert!(fs::read(dir.join("part.bank")).expect("a bank") == before);
    let mut runs: Vec<_> = (0..2)
        .map(|_| {
            let mut command = snarm();
            command
                .args(line.split_whitespace())
                .current_dir(dir)
                .stderr(Stdio::piped())
                .stdout(Stdio::piped());
            command.spawn().expect("snarm starts")
        })
        .collect();
    let done = runs.iter_mut().map(|child| child.wait().expect("an end").success());
    let done = done.filter(|success| *success).count();
    assert!(done >= 1);
    let last = stdout(&run(dir, line, 0));
    assert!(last.contains(&format!("from {} frames", 8 + 2 * (done + 1))), "{done} done before: {last}");
}

#[test]
fn a_fifo_in_place_of_a_file_ends_the_run_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    learned(dir);
    fifo(dir, "fifo");
    let bytes = fs::read(dir.join("part.bank")).expect("a bank");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a bank");
    let mut about: serde_json::Value =
        serde_json::from_str(&metadata.metadata().as_ref().expect("an entry")["snarm"]).expect("JSON");
    about["bank"]["encoder"] = dir.join("fifo").display().to_string().into();
    about["version"] = 1.into();
    about.as_object_mut().expect("an object").remove("sha256");
    let entries = [("snarm".to_owned(), about.to_string())].into();
    let file = SafeTensors::deserialize(&bytes).expect("a bank");
    let named = safetensors::serialize(file.tensors(), Some(entries)).expect("a bank");
    fs::write(dir.join("names-a-fifo.bank"), named).expect("a file");
    for line in [
        "detect set/test --out out --bank names-a-fifo.bank",
        "detect set/test --out out --bank fifo",
        "detect set/test --out out --bank part.bank --model fifo",
        "bank set/test -o other.bank --encoder fifo",
        "bank set/test -o fifo --append",
        "convert fifo --out other.safetensors",
        "bank set/test -o other.bank --ignore-mask fifo",
        "nearest fifo --bank part.bank --out out",
        "limits part.bank fifo",
    ] {
        let mut command = snarm();
        command.args(line.split_whitespace()).current_dir(dir).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("snarm starts");
        let start = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if start.elapsed() > Duration::from_secs(60) {
                child.kill().expect("an end");
                panic!("snarm {line} waits");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(1), "snarm {line}: {}", stderr(&output));
        assert!(stderr(&output).contains("expected a file, found a"), "snarm {line}: {}", stderr(&output));
    }
}

#[test]
fn outputs_follow_links_keep_modes_and_leave_devices_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    learned(dir);
    fs::set_permissions(dir.join("part.bank"), fs::Permissions::from_mode(0o600)).expect("a mode");
    symlink("part.bank", dir.join("linked.bank")).expect("a link");
    fs::write(dir.join(".snarm-AbCdEfGhIjKl.tmp"), b"half a bank").expect("what a killed run left");
    run(dir, "bank set/train/good -o linked.bank --capacity 300 --reduction random", 0);
    assert!(fs::symlink_metadata(dir.join("linked.bank")).expect("a link").is_symlink());
    let mode = fs::metadata(dir.join("part.bank")).expect("a bank").permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    assert!(!dir.join(".snarm-AbCdEfGhIjKl.tmp").exists());

    run(dir, "bank set/train/good -o /dev/null --capacity 300 --reduction random", 0);
    symlink("/dev/null", dir.join("nothing")).expect("a link");
    let eval = "eval --data . --categories set --capacity 300 --reduction random";
    run(dir, &format!("{eval} --json nothing --report nothing"), 0);
    assert!(fs::metadata("/dev/null").expect("a device").file_type().is_char_device());
    assert!(fs::symlink_metadata(dir.join("nothing")).expect("a link").is_symlink());
    let text = stdout(&run(dir, &format!("{eval} --json /dev/stdout"), 0));
    assert!(text.starts_with('{') && text.contains("category"), "{text}");
    let message = stderr(&run(dir, &format!("{eval} --json /dev/full"), 1));
    assert!(message.contains("cannot write /dev/full"), "{message}");
}

#[test]
fn a_threshold_that_is_a_guess_is_said_when_it_is_learned_and_when_it_is_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    run(dir, "simulate --out set --as frames --good-frames 2 --frames 2 --width 96 --height 72", 0);
    let words =
        "the threshold of the bank is a guess: expected at least 4 good frames that are no copies, found 2";
    let learned = run(dir, "bank set/train/good -o few.bank --capacity 400", 0);
    let used = run(dir, "detect set/test --out out --bank few.bank", 0);
    for output in [learned, used] {
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    let by_hand = run(dir, "detect set/test --out out --bank few.bank --threshold 0.7", 0);
    assert!(!stderr(&by_hand).contains("a guess"), "{}", stderr(&by_hand));
}

/// What lies in a folder, with what it holds.
fn held(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect()
}

/// The shell makes the first of `-o good/*.png` the output and the others inputs.
#[test]
fn no_output_replaces_an_input_or_a_file_of_another_kind() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    learned(dir);
    let good = dir.join("set/train/good");
    fs::copy(dir.join("set/test/good/0000.png"), dir.join("0.png")).expect("a copy");
    fs::write(dir.join("decoder.pth"), b"\x80\x02N.").expect("a file");
    symlink("set/train/good/0000.png", dir.join("linked.bank")).expect("a link");
    let before = (held(&good), fs::read(dir.join("part.bank")).expect("a bank"));
    for (line, words) in [
        (
            "bank -o set/train/good/0000.png set/train/good/0001.png set/train/good/0002.png",
            "--out: expected a new file, or a bank to replace, found a picture (png): set/train/good/0000.png",
        ),
        ("bank set/train/good -o set/train/good/0000.png", "expected a file that is not read as well"),
        ("bank set/train/good -o linked.bank", "expected a file that is not read as well"),
        (
            "bank set/train/good -o set/train/good/0000.png --append",
            "expected a file that is not read as well",
        ),
        (
            "bank set/train/good -o new.bank --odd-frames set/train/good",
            "--odd-frames: expected a file that is not read as well",
        ),
        (
            "eval --data . --categories set --json set/train/good/0000.png",
            "--json: expected a new file, or JSON",
        ),
        (
            "eval --data . --categories set --report part.bank",
            "--report: expected a new file, or a page in HTML",
        ),
        ("limits part.bank --picture part.bank", "--picture: expected a file that is not read as well"),
        (
            "limits part.bank --picture set/train/good/0000.png",
            "--picture: expected a new file, or a drawing",
        ),
        ("convert decoder.pth -o decoder.pth", "--out: expected a file that is not read as well"),
        ("convert decoder.pth -o set/train/good/0000.png", "found a picture (png)"),
        ("distill --teacher seeded:tiny --out part.bank", "--out: expected a new file, or an encoder"),
        ("train --data . --categories set --out part.bank", "--out: expected a new file, or a decoder"),
        ("nearest 0.png --bank part.bank -o .", "--out: expected a file that is not read as well"),
        (
            "nearest set/test/good/0000.png --bank part.bank -o .",
            "expected a new folder, or that of an earlier run",
        ),
    ] {
        let message = stderr(&run(dir, line, 1));
        assert!(message.contains(words), "expected '{words}' of snarm {line} in:\n{message}");
    }
    assert!((held(&good), fs::read(dir.join("part.bank")).expect("a bank")) == before);
    assert!(!dir.join("new.bank").exists() && !dir.join("nearest.json").exists());

    // Pictures of another program, and those that are looked at.
    fs::create_dir(dir.join("annotated")).expect("a folder");
    fs::copy(good.join("0000.png"), dir.join("annotated/0000.png")).expect("a copy");
    let other = "detect set/test/good/0000.png --bank part.bank -o .";
    let message = stderr(&run(dir, other, 1));
    assert!(message.contains("found a file that would be replaced: ./annotated/0000.png"), "{message}");
    let message = stderr(&run(dir, "detect annotated/0000.png --bank part.bank -o .", 1));
    assert!(message.contains("expected a file that is not read as well"), "{message}");
    fs::write(dir.join("results.jsonl"), "a text").expect("a file");
    let message = stderr(&run(dir, other, 1));
    assert!(message.contains("--out: expected a new file, or JSON to replace, found a text"), "{message}");
    // Where an earlier run left its results, they are replaced.
    fs::write(dir.join("results.jsonl"), "{}\n").expect("a file");
    run(dir, other, 0);
}
