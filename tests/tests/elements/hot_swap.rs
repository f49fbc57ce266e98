//! Another bank while the stream goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use gst::prelude::*;
use snarm_core::registry;

use crate::common::{self, GOOD_FRAMES, Line, bank, buffer, caps, detector, good_pixels, init, read};
use crate::process::{assert_leaks_nothing, child, end, task};

/// A bank of the same frames with another seed.
fn other() -> &'static Path {
    static OTHER: LazyLock<PathBuf> = LazyLock::new(|| {
        let location = common::scratch("other.bank");
        common::learn(&location, 5);
        location
    });
    &OTHER
}

fn set(line: &Line, location: &Path) {
    line.element.set_property("bank-location", location.to_str().unwrap());
}

/// Whether an error is the one expected.
type Matches = fn(&gst::glib::Error) -> bool;

/// Pushes frames until `done` says so; every one must come out, in order, scored by a bank of `banks`.
struct Stream<'a> {
    line: &'a mut Line,
    pushed: u64,
    generation: u32,
    banks: Vec<String>,
}

impl Stream<'_> {
    fn run_until(&mut self, mut done: impl FnMut(&mut Line, u32) -> bool) {
        for _ in 0..2000 {
            let n = self.pushed;
            let out = self.line.harness.push_and_pull(buffer(n, good_pixels(n % GOOD_FRAMES))).unwrap();
            let meta = read(&out);
            assert_eq!((meta.frame_number, meta.analysed), (n, true));
            assert!(meta.bank_generation >= self.generation, "an older bank came back");
            assert_eq!(meta.bank_id, self.banks[meta.bank_generation as usize % 2], "frame {n}");
            self.generation = meta.bank_generation;
            self.pushed += 1;
            if done(self.line, self.generation) {
                return;
            }
        }
        panic!("no swap in 2000 frames");
    }
}

#[test]
fn a_hundred_swaps_under_load_lose_no_frame() {
    init();
    let banks = [Path::new(bank()), other()];
    let ids = banks.map(|path| registry::bank(path).unwrap().digest().to_owned());
    assert_ne!(ids[0], ids[1]);
    let broken = common::scratch(&format!("broken-{}.bank", std::process::id()));
    fs::write(&broken, &fs::read(bank()).unwrap()[..1000]).unwrap();
    let mut line = Line::new(detector(&[]), caps());
    let mut stream = Stream { line: &mut line, pushed: 0, generation: 0, banks: ids.to_vec() };
    for swap in 1..=100 {
        if swap % 10 == 0 {
            // One that fails in between changes nothing.
            set(stream.line, &broken);
            stream.run_until(|line, _| line.heard(gst::MessageType::Warning).len() == swap / 10);
        }
        set(stream.line, banks[swap % 2]);
        stream.run_until(|_, generation| generation == swap as u32);
    }
    let pushed = stream.pushed;
    assert_eq!(u64::from(line.harness.buffers_received()), pushed);
    let loaded = line.element_messages("snarm-bank-loaded");
    let generations: Vec<u32> = loaded.iter().map(|s| s.get("generation").unwrap()).collect();
    assert_eq!(generations, (0..=100).collect::<Vec<_>>());
    assert!(line.heard(gst::MessageType::Error).is_empty());
    fs::remove_file(broken).unwrap();
}

/// Plays frames until a hundred banks have each scored one, and counts the frames that go in and come out.
fn swap_in_a_pipeline(banks: [&Path; 2], policy: &str) -> [u64; 2] {
    let line = format!(
        "videotestsrc name=in ! video/x-raw,format=NV12,width=64,height=48,framerate=100/1 \
         ! snarmdetect name=detect busy-policy={policy} bank-location={} ! snarmoverlay ! fakesink name=out",
        banks[0].display()
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let (source, detector) = (pipeline.by_name("in").unwrap(), pipeline.by_name("detect").unwrap());
    let pushed = Arc::new(AtomicU64::new(0));
    let (counter, (sender, generations)) = (pushed.clone(), mpsc::channel());
    source.static_pad("src").unwrap().add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        gst::PadProbeReturn::Ok
    });
    let sink = pipeline.by_name("out").unwrap().static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let _ = sender.send(read(info.buffer().unwrap()).bank_generation);
        gst::PadProbeReturn::Ok
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut arrived = 0;
    for swap in 0..=100 {
        // Frames go on meanwhile.
        while generations.recv_timeout(Duration::from_secs(60)).expect("the next frame") < swap {
            arrived += 1;
        }
        arrived += 1;
        if swap < 100 {
            detector.set_property("bank-location", banks[(swap as usize + 1) % 2].to_str().unwrap());
        }
    }
    assert!(source.send_event(gst::event::Eos::new()));
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error, gst::MessageType::Warning];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &kinds);
    assert_eq!(end.map(|message| message.type_()), Some(gst::MessageType::Eos));
    pipeline.set_state(gst::State::Null).unwrap();
    [pushed.load(Ordering::SeqCst), arrived + generations.try_iter().count() as u64]
}

#[test]
fn a_hundred_swaps_in_a_pipeline_lose_no_frame_and_leak_nothing() {
    const NAME: &str = "hot_swap::a_hundred_swaps_in_a_pipeline_lose_no_frame_and_leak_nothing";
    if let Some(folder) = task("swap") {
        init();
        let banks = ["a.bank", "b.bank"].map(|name| folder.join(name));
        for policy in ["block", "skip"] {
            let [pushed, arrived] = swap_in_a_pipeline(banks.each_ref().map(|path| path.as_path()), policy);
            assert_eq!(pushed, arrived, "{policy}: frames are lost");
            assert!(pushed > 100, "{policy}: {pushed} frames");
        }
        end();
        return;
    }
    init();
    let folder = tempfile::tempdir().unwrap();
    common::learn(&folder.path().join("a.bank"), 0);
    common::learn(&folder.path().join("b.bank"), 5);
    assert_leaks_nothing(child(NAME, "swap", folder.path()));
}

#[test]
fn an_old_bank_is_given_up_with_its_last_frame() {
    init();
    // A bank of its own, so that no other test holds it.
    let location = common::scratch(&format!("swapped-{}.bank", std::process::id()));
    common::learn(&location, 77);
    let mut line = Line::new(detector(&[("bank-location", location.to_str().unwrap())]), caps());
    let old = Arc::downgrade(&registry::bank(&location).unwrap());
    assert!(old.upgrade().is_some());
    set(&line, Path::new(bank()));
    for n in 0..2000 {
        if line.inspect(n, good_pixels(0)).bank_generation == 1 {
            break;
        }
    }
    assert!(old.upgrade().is_none(), "the old bank stays in memory");
    fs::remove_file(location).unwrap();
}

#[test]
fn a_bank_that_cannot_be_used_is_a_warning_and_the_old_one_goes_on() {
    init();
    let mut line = Line::new(detector(&[]), caps());
    let id = line.inspect(0, good_pixels(0)).record.bank_id;
    let foreign = common::scratch(&format!("foreign-{}.bank", std::process::id()));
    fs::write(&foreign, "a line of text\n").unwrap();
    let cases: [(&Path, Matches); 2] = [
        (Path::new("/nowhere/part.bank"), |error| error.matches(gst::ResourceError::NotFound)),
        (&foreign, |error| error.matches(gst::StreamError::WrongType)),
    ];
    for (n, (location, matches)) in cases.iter().enumerate() {
        set(&line, location);
        let warning = loop {
            let meta = line.inspect(1, good_pixels(1));
            assert_eq!((meta.bank_id.as_str(), meta.bank_generation), (id.as_str(), 0));
            if let Some(message) = line.heard(gst::MessageType::Warning).get(n) {
                let gst::MessageView::Warning(warning) = message.view() else { unreachable!() };
                break warning.error();
            }
        };
        assert!(matches(&warning), "{warning}");
        assert!(warning.message().contains(location.to_str().unwrap()), "{warning}");
        assert!(warning.message().contains("bank in use stays"), "{warning}");
    }
    let info = line.element.property::<gst::Structure>("bank-info");
    assert_eq!(info.get::<&str>("location").unwrap(), bank());
    fs::remove_file(foreign).unwrap();
}

#[test]
fn the_action_reads_the_same_file_again() {
    init();
    let location = common::scratch(&format!("reloaded-{}.bank", std::process::id()));
    fs::copy(bank(), &location).unwrap();
    let element = detector(&[("bank-location", location.to_str().unwrap())]);
    assert!(!element.emit_by_name::<bool>("reload-bank", &[]), "a stopped element loads nothing");
    let mut line = Line::new(element, caps());
    let before = line.inspect(0, good_pixels(0)).record.bank_id;
    fs::copy(other(), &location).unwrap();
    assert!(line.element.emit_by_name::<bool>("reload-bank", &[]));
    let after = (1..2000).map(|n| line.inspect(n, good_pixels(0))).find(|meta| meta.bank_generation == 1);
    assert_ne!(after.unwrap().bank_id, before);
    fs::remove_file(location).unwrap();
}

/// As `cp` and `scp` write: what is read meanwhile is half of one and half of another, or nothing.
#[test]
fn a_bank_that_is_overwritten_in_place_is_taken_whole_or_not_at_all() {
    init();
    let location = common::scratch(&format!("overwritten-{}.bank", std::process::id()));
    let banks = [Path::new(bank()), other()];
    let contents = banks.map(|path| fs::read(path).unwrap());
    let ids = banks.map(|path| registry::bank(path).unwrap().digest().to_owned());
    fs::write(&location, &contents[0]).unwrap();
    let mut line = Line::new(detector(&[("bank-location", location.to_str().unwrap())]), caps());
    let is_done = Arc::new(AtomicU64::new(0));
    let writer = {
        let (location, is_done, contents) = (location.clone(), is_done.clone(), contents.clone());
        let overwrite = move || {
            use std::io::{Seek, Write};
            let mut file = fs::OpenOptions::new().write(true).open(location).unwrap();
            for n in 1.. {
                let content = &contents[n % 2];
                file.rewind().unwrap();
                // Once with nothing there for a moment, and once in place of what is there.
                if n % 4 < 2 {
                    file.set_len(0).unwrap();
                }
                for piece in content.chunks(content.len() / 20) {
                    file.write_all(piece).unwrap();
                    std::thread::sleep(Duration::from_micros(200));
                }
                file.set_len(content.len() as u64).unwrap();
                if is_done.load(Ordering::SeqCst) == 1 {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("writer".into()).spawn(overwrite).unwrap()
    };
    let mut generation = 0;
    for n in 0..300 {
        assert!(line.element.emit_by_name::<bool>("reload-bank", &[]));
        let meta = line.inspect(n, good_pixels(n % GOOD_FRAMES));
        assert!(meta.analysed && meta.bank_generation >= generation, "frame {n}");
        generation = meta.bank_generation;
        assert!(ids.contains(&meta.bank_id), "frame {n}: {}", meta.bank_id);
        std::thread::sleep(Duration::from_millis(2));
    }
    is_done.store(1, Ordering::SeqCst);
    writer.join().unwrap();
    assert!(line.heard(gst::MessageType::Error).is_empty());
    // The file is whole again, of another time than before, and is taken.
    std::thread::sleep(Duration::from_millis(20));
    fs::write(&location, &contents[1]).unwrap();
    let found = (300..2300).find(|n| {
        assert!(line.element.emit_by_name::<bool>("reload-bank", &[]));
        line.inspect(*n, good_pixels(0)).bank_id == ids[1]
    });
    assert!(found.is_some(), "the whole bank is not taken");
    fs::remove_file(location).unwrap();
}

#[test]
fn stopping_amid_a_load_is_clean() {
    init();
    for _ in 0..10 {
        let line = Line::new(detector(&[]), caps());
        set(&line, other());
        line.element.set_state(gst::State::Null).unwrap();
        line.element.set_state(gst::State::Playing).unwrap();
        let info = line.element.property::<gst::Structure>("bank-info");
        assert_eq!(info.get::<&str>("location").unwrap(), other().to_str().unwrap());
        assert_eq!(info.get::<u32>("generation").unwrap(), 0);
    }
}
