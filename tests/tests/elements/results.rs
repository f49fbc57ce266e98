//! The results file of `snarmdetect`, as loggers and those who rotate their files treat it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use gst::prelude::*;

use crate::common::{Line, bank, buffer, caps, count, detector, good_pixels, init, learn, start_error};
use crate::process::{child, task};

/// A detector that writes its results to this file, playing.
fn line(location: &Path, mode: &str) -> Line {
    let location = location.to_str().unwrap();
    Line::new(detector(&[("results-location", location), ("results-mode", mode)]), caps())
}

/// Frame numbers of the lines of a file, which must all be JSON.
fn numbers(location: &Path) -> Vec<u64> {
    let text = fs::read_to_string(location).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{location:?} ends amid a line");
    let number = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        json["frame-number"].as_u64().unwrap()
    };
    text.lines().map(number).collect()
}

#[test]
fn lines_are_appended_unless_asked_otherwise() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.jsonl");
    for (mode, expected) in [("append", vec![0, 1]), ("append", vec![0, 1, 0, 1]), ("overwrite", vec![0, 1])]
    {
        let mut line = line(&location, mode);
        line.push_good(2);
        drop(line);
        assert_eq!(numbers(&location), expected, "{mode}");
    }
    let results = ("results-location", location.to_str().unwrap());
    let error = start_error(detector(&[results, ("results-mode", "fail")]));
    assert!(error.matches(gst::ResourceError::OpenWrite) && error.message().contains("run.jsonl"), "{error}");
    assert_eq!(numbers(&location), [0, 1]);
    // A process that was killed amid a line.
    let text = fs::read_to_string(&location).unwrap();
    fs::write(&location, &text[..text.len() - 10]).unwrap();
    line_of_one(&location);
    let text = fs::read_to_string(&location).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(serde_json::from_str::<serde_json::Value>(lines[2]).is_ok(), "{text}");
}

/// Writes the line of one frame.
fn line_of_one(location: &Path) {
    line(location, "append").push_good(1);
}

#[test]
fn a_file_that_holds_no_results_is_left_alone() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.bank");
    fs::copy(bank(), &copy).unwrap();
    let before = fs::read(&copy).unwrap();
    let (link, hard) = (folder.path().join("link.jsonl"), folder.path().join("hard.jsonl"));
    std::os::unix::fs::symlink(&copy, &link).unwrap();
    fs::hard_link(&copy, &hard).unwrap();
    for mode in ["append", "overwrite"] {
        for results in [&copy, &link, &hard] {
            let element = |bank: &str| {
                let element =
                    detector(&[("results-location", results.to_str().unwrap()), ("results-mode", mode)]);
                element.set_property("bank-location", bank);
                element
            };
            let error = start_error(element(copy.to_str().unwrap()));
            assert!(error.matches(gst::ResourceError::Settings), "{error}");
            assert!(
                error.message().contains("results-location: expected another file than bank-location"),
                "{error}"
            );
            // Neither is the bank of others.
            let error = start_error(element(bank()));
            assert!(
                error.matches(gst::ResourceError::OpenWrite) && error.message().contains("JSON"),
                "{error}"
            );
            assert_eq!(fs::read(&copy).unwrap(), before, "{mode} {results:?}");
        }
    }
    let mask = folder.path().join("mask.png");
    image::GrayImage::new(4, 4).save(&mask).unwrap();
    let mask = mask.to_str().unwrap();
    let error = start_error(detector(&[("results-location", mask), ("ignore-mask", mask)]));
    assert!(error.message().contains("ignore-mask"), "{error}");
    let element = gst::ElementFactory::make("snarmbank")
        .property("location", mask)
        .property("ignore-mask", mask)
        .build()
        .unwrap();
    let error = start_error(element);
    assert!(error.message().contains("location: expected another file than ignore-mask"), "{error}");
}

#[test]
fn a_second_writer_is_refused() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.jsonl");
    let mut first = line(&location, "append");
    first.push_good(2);
    for mode in ["append", "overwrite"] {
        let results = ("results-location", location.to_str().unwrap());
        let error = start_error(detector(&[results, ("results-mode", mode)]));
        assert!(error.matches(gst::ResourceError::OpenWrite), "{error}");
        assert!(error.message().contains("expected no other writer"), "{error}");
    }
    first.push_good(1);
    assert_eq!(numbers(&location), [0, 1, 2], "the first writer lost lines");
    drop(first);
    line_of_one(&location);
    assert_eq!(numbers(&location), [0, 1, 2, 0]);
}

#[test]
fn a_rotated_file_is_followed() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.jsonl");
    let old = |n: u32| folder.path().join(format!("run.jsonl.{n}"));
    let mut line = line(&location, "append");
    let mut push = |from: u64| (from..from + 2).for_each(|n| drop(line.inspect(n, good_pixels(n))));
    push(0);
    fs::rename(&location, old(1)).unwrap();
    push(2);
    // A new file is at its place already.
    fs::rename(&location, old(2)).unwrap();
    File::create(&location).unwrap();
    push(4);
    // Copied and truncated.
    fs::copy(&location, old(3)).unwrap();
    File::options().write(true).open(&location).unwrap().set_len(0).unwrap();
    push(6);
    fs::remove_file(&location).unwrap();
    push(8);
    assert_eq!(numbers(&old(1)), [0, 1]);
    assert_eq!(numbers(&old(2)), [2, 3]);
    assert_eq!(numbers(&old(3)), [4, 5]);
    assert_eq!(numbers(&location), [8, 9]);
    assert!(line.warnings().is_empty() && count(&line.element, "results-lost") == 0);
}

/// Makes a named pipe.
fn make_pipe(location: &Path) {
    assert!(Command::new("mkfifo").arg(location).status().unwrap().success());
}

/// Opens it for reading without waiting for a writer.
fn read_pipe(location: &Path) -> File {
    File::options().read(true).write(true).open(location).unwrap()
}

#[test]
fn a_pipe_in_place_of_the_file_costs_lines_until_a_file_is_back() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.jsonl");
    let mut line = line(&location, "append");
    line.inspect(0, good_pixels(0));
    fs::remove_file(&location).unwrap();
    make_pipe(&location);
    // More than the pipe holds.
    for n in 1..100 {
        line.inspect(n, good_pixels(n));
    }
    assert_eq!(count(&line.element, "results-lost"), 99);
    let warnings = line.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("expected a file, found a FIFO"), "{warnings:?}");
    fs::remove_file(&location).unwrap();
    line.inspect(100, good_pixels(100));
    assert_eq!(numbers(&location), [100]);
    assert_eq!(count(&line.element, "results-lost"), 99);
}

#[test]
fn a_pipe_without_a_reader_keeps_nobody_waiting() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.pipe");
    make_pipe(&location);
    let mut line = line(&location, "append");
    for n in 0..3 {
        line.inspect(n, good_pixels(n));
    }
    assert_eq!(count(&line.element, "results-lost"), 3);
    let warnings = line.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("expected a reader of the pipe, found none"), "{warnings:?}");
    let mut reader = read_pipe(&location);
    line.inspect(3, good_pixels(3));
    let mut bytes = [0; 65536];
    let read = reader.read(&mut bytes).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&bytes[..read]).unwrap();
    assert_eq!(json["frame-number"], 3);
    drop(reader);
    line.inspect(4, good_pixels(4));
    assert_eq!(count(&line.element, "results-lost"), 4);
    assert!(line.warnings()[1].contains("it has left"), "{:?}", line.warnings());
}

#[test]
fn a_pipe_that_is_full_does_not_keep_the_element_from_stopping() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("run.pipe");
    make_pipe(&location);
    let _reader = read_pipe(&location);
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc ! video/x-raw,format=RGB,width=64,height=48 ! snarmdetect name=d interval=100000 \
         bank-location={} results-location={} ! fakesink",
        bank(),
        location.display()
    ));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let element = pipeline.by_name("d").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    // Until the pipe takes no more.
    let (mut last, mut alike) = (0, 0);
    while last < 2 || alike < 5 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = count(&element, "frames");
        alike = if now == last { alike + 1 } else { 0 };
        last = now;
    }
    let (stopped, heard) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("waiter".into());
    thread
        .spawn(move || {
            pipeline.set_state(gst::State::Null).unwrap();
            stopped.send(()).unwrap();
        })
        .unwrap();
    assert!(heard.recv_timeout(std::time::Duration::from_secs(5)).is_ok(), "it waits for the reader");
}

#[test]
fn a_full_disk_costs_lines_and_not_the_stream() {
    init();
    let mut line = line(Path::new("/dev/full"), "append");
    for n in 0..5 {
        assert!(line.inspect(n, good_pixels(n)).analysed);
    }
    line.finish();
    let warnings = line.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("/dev/full") && warnings[0].contains("No space left"), "{warnings:?}");
    assert_eq!(count(&line.element, "results-lost"), 5);
    assert!(line.heard(gst::MessageType::Error).is_empty());
}

#[test]
fn a_line_that_does_not_fit_leaves_no_part_of_it() {
    const NAME: &str = "results::a_line_that_does_not_fit_leaves_no_part_of_it";
    if let Some(folder) = task("fill") {
        init();
        let location = folder.join("run.jsonl");
        let element = gst::ElementFactory::make("snarmdetect")
            .property("bank-location", folder.join("part.bank"))
            .property("results-location", &location)
            .build()
            .unwrap();
        let mut line = Line::new(element, caps());
        for n in 0..12 {
            line.harness.push_and_pull(buffer(n, good_pixels(n))).unwrap();
        }
        let lost = count(&line.element, "results-lost");
        assert!(lost > 0 && lost < 12, "{lost} lines lost");
        assert_eq!(line.warnings().len(), 1);
        assert_eq!(numbers(&location), (0..12 - lost).collect::<Vec<_>>());
        // Room again.
        File::options().write(true).open(&location).unwrap().set_len(0).unwrap();
        line.harness.push_and_pull(buffer(12, good_pixels(12))).unwrap();
        assert_eq!(numbers(&location), [12]);
        return;
    }
    init();
    let folder = tempfile::tempdir().unwrap();
    // Made here, as it would not fit there.
    learn(&folder.path().join("part.bank"), 0);
    // A file of more than 6 KiB cannot be written; the signal that comes with it is ignored.
    let inner = child(NAME, "fill", folder.path());
    let mut outer = Command::new("sh");
    outer.args(["-c", "trap '' XFSZ; ulimit -f 12; exec \"$0\" \"$@\""]);
    outer.arg(inner.get_program()).args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = outer.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
