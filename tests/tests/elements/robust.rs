//! What happens to streams, disks and processes in the field, to `snarmbank` and `snarmoverlay`.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use gst::prelude::*;
use snarm_core::bank::Bank;

use crate::common::{HEIGHT, Line, WIDTH, buffer, bytes, caps, caps_of, good_pixels, init, learn};
use crate::overlay::{GREY, anomalous, overlay};
use crate::process::{assert_leaks_nothing, child, end, task};

/// A frame of any caps with a meta.
fn grey(n: u64, caps: &gst::Caps) -> gst::Buffer {
    let size = gst_video::VideoInfo::from_caps(caps).unwrap().size();
    let mut frame = buffer(n, vec![GREY; size]);
    gstsnarm::meta::attach(frame.get_mut().unwrap(), &anomalous()).unwrap();
    frame
}

#[test]
fn an_overlay_takes_new_caps_in_the_middle_of_a_stream() {
    init();
    let all = [
        caps(),
        caps_of("NV12", 17, 33, 0),
        caps_of("GRAY8", 200, 100, 1),
        caps_of("I420", 16, 16, 50),
        caps(),
    ];
    let mut line = Line::new(overlay(&[]), caps());
    for (n, caps) in all.iter().enumerate() {
        line.harness.set_src_caps(caps.clone());
        let out = line.harness.push_and_pull(grey(n as u64, caps)).unwrap();
        assert!(bytes(&out).iter().any(|byte| *byte != GREY), "{caps}");
        let found = line.element.static_pad("src").unwrap().current_caps().unwrap();
        assert!(found.can_intersect(caps), "{found}, not {caps}");
    }
}

#[test]
fn padded_rows_are_drawn_on_like_others_and_their_padding_stays() {
    init();
    let (stride, rows) = (3 * WIDTH + 40, HEIGHT);
    let mut padded = gst::Buffer::from_mut_slice(vec![GREY; stride * rows]);
    let inside = padded.get_mut().unwrap();
    let (flags, format) = (gst_video::VideoFrameFlags::empty(), gst_video::VideoFormat::Rgb);
    let size = [WIDTH as u32, HEIGHT as u32];
    gst_video::VideoMeta::add_full(inside, flags, format, size[0], size[1], &[0], &[stride as i32]).unwrap();
    gstsnarm::meta::attach(inside, &anomalous()).unwrap();
    let mut line = Line::new(overlay(&[]), caps());
    let out = bytes(&line.harness.push_and_pull(padded).unwrap());
    let tight = bytes(&line.harness.push_and_pull(grey(1, &caps())).unwrap());
    for (row, expected) in out.chunks(stride).zip(tight.chunks(3 * WIDTH)) {
        assert_eq!(&row[..3 * WIDTH], expected);
        assert!(row[3 * WIDTH..].iter().all(|byte| *byte == GREY), "padding was drawn on");
    }
}

#[test]
fn a_flushing_seek_changes_nothing_that_was_learned() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    let element = gst::ElementFactory::make("snarmbank").property("location", &location).build().unwrap();
    let mut line = Line::new(element, caps());
    line.push_good(4);
    assert!(line.harness.push_event(gst::event::FlushStart::new()));
    assert!(line.harness.push_event(gst::event::FlushStop::new(true)));
    let segment = gst::FormattedSegment::<gst::ClockTime>::new();
    assert!(line.harness.push_event(gst::event::Segment::new(&segment)));
    line.push_good(3);
    assert_eq!(line.element.property::<u64>("frames-used"), 7);
    line.finish();
    assert_eq!(Bank::open(&location).unwrap().frames(), 7);

    let mut line = Line::new(overlay(&[("hold-time", "1000000000")]), caps());
    line.harness.push_and_pull(grey(0, &caps())).unwrap();
    assert!(line.harness.push_event(gst::event::FlushStart::new()));
    assert!(line.harness.push_event(gst::event::FlushStop::new(true)));
    assert!(line.harness.push_event(gst::event::Segment::new(&segment)));
    let out = line.harness.push_and_pull(buffer(1, vec![GREY; 3 * WIDTH * HEIGHT])).unwrap();
    assert!(bytes(&out).iter().all(|byte| *byte == GREY), "a result is held over a seek");
}

#[test]
fn a_result_is_held_within_its_own_stream_alone() {
    init();
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    let same = gst::event::Segment::new(&segment);
    segment.set_base(gst::ClockTime::from_seconds(1));
    let next = gst::event::Segment::new(&segment);
    for (event, held) in [(same, true), (next, false), (gst::event::StreamStart::new("another"), false)] {
        let mut line = Line::new(overlay(&[("hold-time", "1000000000")]), caps());
        line.harness.push_and_pull(grey(5, &caps())).unwrap();
        assert!(line.harness.push_event(event.clone()));
        // As in the next file of a list, its time is that of an earlier frame.
        let out = line.harness.push_and_pull(buffer(1, vec![GREY; 3 * WIDTH * HEIGHT])).unwrap();
        assert_eq!(bytes(&out).iter().any(|byte| *byte != GREY), held, "{event:?}");
    }
    let mut line = Line::new(overlay(&[("hold-time", "1000000000")]), caps());
    line.harness.push_and_pull(grey(100, &caps())).unwrap();
    let out = line.harness.push_and_pull(buffer(1, vec![GREY; 3 * WIDTH * HEIGHT])).unwrap();
    assert!(
        bytes(&out).iter().all(|byte| *byte == GREY),
        "a result is held for ever where times begin again"
    );
}

#[test]
fn a_process_killed_while_it_writes_leaves_a_whole_bank() {
    const NAME: &str = "robust::a_process_killed_while_it_writes_leaves_a_whole_bank";
    if let Some(folder) = task("write") {
        init();
        let location = folder.join("part.bank");
        let element = gst::ElementFactory::make("snarmbank")
            .property("location", &location)
            .property("bank-capacity", 100_000_u32)
            .property("checkpoint-frames", 1_u32)
            .property_from_str("reduction", "none")
            .build()
            .unwrap();
        let mut line = Line::new(element, caps());
        line.push_good(u64::MAX);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    init();
    learn(&location, 3);
    let mut digests = std::collections::BTreeSet::from([Bank::open(&location).unwrap().digest().to_owned()]);
    for round in 0..4 {
        let mut process =
            child(NAME, "write", folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let before = fs::metadata(&location).unwrap().modified().unwrap();
        // Once it has written for the first time it writes after every frame.
        let start = std::time::Instant::now();
        while fs::metadata(&location).unwrap().modified().unwrap() == before {
            assert!(start.elapsed() < Duration::from_secs(120), "nothing is written");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(37 * round));
        process.kill().unwrap();
        process.wait().unwrap();
        digests.insert(Bank::open(&location).expect("a whole bank").digest().to_owned());
    }
    assert!(digests.len() > 1, "no process wrote anything");
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_keeps_the_old_bank() {
    const NAME: &str = "robust::a_full_disk_is_an_error_that_names_the_file_and_keeps_the_old_bank";
    if let Some(folder) = task("fill") {
        init();
        let location = folder.join("part.bank");
        let element = gst::ElementFactory::make("snarmbank").property("location", &location).build().unwrap();
        let mut line = Line::new(element, caps());
        line.push_good(4);
        assert!(!line.eos(), "EOS went on although there is no bank");
        let error = line.error();
        assert!(error.matches(gst::ResourceError::OpenWrite), "{error}");
        assert!(
            error.message().contains("part.bank") && error.message().contains("File too large"),
            "{error}"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    fs::write(&location, "an older bank").unwrap();
    // A file of more than 100 kB cannot be written, as on a disk that is full; the signal that comes with it is ignored.
    let inner = child(NAME, "fill", folder.path());
    let mut outer = Command::new("sh");
    outer
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = outer.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(fs::read_to_string(&location).unwrap(), "an older bank");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was begun is left behind");
}

#[test]
fn a_hundred_starts_leak_nothing() {
    const NAME: &str = "robust::a_hundred_starts_leak_nothing";
    if let Some(folder) = task("cycle") {
        init();
        // Kept loaded, so that a start costs no network.
        let _encoder = snarm_core::registry::encoder(None).unwrap();
        let line = format!(
            "videotestsrc ! video/x-raw,format=RGB,width=64,height=48 \
             ! snarmbank location={} ! snarmdetect bank-location={} ! snarmoverlay ! fakesink sync=false",
            folder.join("new.bank").display(),
            folder.join("part.bank").display()
        );
        let pipeline = gst::parse::launch(&line).unwrap();
        for _ in 0..100 {
            pipeline.set_state(gst::State::Playing).unwrap();
            pipeline.state(gst::ClockTime::from_seconds(60)).0.unwrap();
            pipeline.set_state(gst::State::Null).unwrap();
        }
        drop(pipeline);
        end();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    init();
    learn(&folder.path().join("part.bank"), 0);
    assert_leaks_nothing(child(NAME, "cycle", folder.path()));
}

#[test]
fn a_good_part_of_the_frames_may_be_missing_or_broken() {
    init();
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("part.bank");
    let element = gst::ElementFactory::make("snarmbank").property("location", &location).build().unwrap();
    let mut line = Line::new(element, caps());
    for n in 0..12 {
        let mut frame = buffer(n, good_pixels(n));
        let inside = frame.get_mut().unwrap();
        match n % 3 {
            0 => inside.set_flags(gst::BufferFlags::GAP),
            1 => inside.set_flags(gst::BufferFlags::DISCONT),
            _ => inside.set_pts(gst::ClockTime::NONE),
        }
        line.harness.push(frame).unwrap();
    }
    assert_eq!(line.element.property::<u64>("frames-used"), 8);
    line.finish();
}
