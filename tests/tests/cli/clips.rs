//! Clips as cameras and phones make them: of variable rate, and turned.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gst::prelude::*;
use image::RgbImage;
use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
use serde_json::Value;

use crate::run::{no_gstreamer, run, stderr, stdout, target};

/// Runs a pipeline in this process to its end; `feed` gets its appsrc, where it has one.
fn play(line: &str, feed: impl FnOnce(&gst_app::AppSrc)) {
    gst::init().expect("GStreamer");
    let pipeline =
        gst::parse::launch(line).expect("a pipeline").downcast::<gst::Pipeline>().expect("a pipeline");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    if let Some(source) = pipeline.by_name("src") {
        feed(&source.downcast().expect("an appsrc"));
    }
    let bus = pipeline.bus().expect("a bus");
    let patience = gst::ClockTime::from_seconds(60);
    let end = bus.timed_pop_filtered(patience, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).expect("it stops");
    assert_eq!(end.map(|message| message.type_()), Some(gst::MessageType::Eos), "{line}");
}

/// A camera that records on motion: 10 frames in the first second, 10 more from a minute on.
fn variable_rate(path: &Path) {
    let line = format!(
        "appsrc name=src format=time caps=video/x-raw,format=GRAY8,width=64,height=64,framerate=0/1 \
         ! videoconvert ! jpegenc ! matroskamux ! filesink location={}",
        path.display()
    );
    play(&line, |source| {
        for i in 0..20u64 {
            let pixels: Vec<u8> = (0..64 * 64u64).map(|p| (p * (p / 64) + i) as u8).collect();
            let mut buffer = gst::Buffer::from_mut_slice(pixels);
            let time = if i < 10 { 100 * i } else { 60_000 + 100 * (i - 10) };
            buffer.get_mut().expect("a new buffer").set_pts(gst::ClockTime::from_mseconds(time));
            source.push_buffer(buffer).expect("a frame is taken");
        }
        source.end_of_stream().expect("an end");
    });
}

#[test]
fn times_of_a_clip_are_those_of_the_stream() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    variable_rate(&dir.join("motion.mkv"));
    run(dir, "bank motion.mkv -o part.bank --capacity 200 --reduction random --range 0-0.5s,60.5-61s", 0);
    run(dir, "detect motion.mkv --bank part.bank --out out --range 60s- --pictures none", 0);
    let text = std::fs::read_to_string(dir.join("out/results.jsonl")).expect("results");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let times: Vec<u64> = lines.iter().filter_map(|line| line["timestamp"].as_u64()).collect();
    assert_eq!(times, (0..10).map(|i| 60_000_000_000 + i * 100_000_000).collect::<Vec<u64>>());
    assert_eq!(lines[0]["frame-number"], 10);

    let message = stderr(&run(dir, "bank motion.mkv -o none.bank --range 70-80s", 1));
    assert!(message.contains("found a clip of 20 frames and 61.00 s"), "{message}");
}

/// A player that writes a clip into a full pipe, or waits for a decoder, sees the end of its command by its standard input.
#[test]
fn a_player_ends_with_its_command_whatever_it_waits_for() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    // More than a pipe holds.
    play(
        &format!(
            "videotestsrc num-buffers=20 ! video/x-raw,width=320,height=240 ! jpegenc ! matroskamux \
             ! filesink location={}",
            dir.join("clip.mkv").display()
        ),
        |_| {},
    );
    let mut command = Command::new(target().join("snarm-player"));
    command.arg("clip").arg(dir.join("clip.mkv")).env("GST_REGISTRY", dir.join("registry.bin"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut player = command.spawn().expect("snarm-player starts");
    let mut frames = player.stdout.take().expect("its output");
    let mut head = [0; 9];
    frames.read_exact(&mut head).expect("the beginning of the frames");
    assert_eq!(&head, b"YUV4MPEG2");
    assert!(player.try_wait().expect("a child").is_none(), "nobody reads the rest");
    // As the system does for a command that is killed; Child::wait would do so, too.
    drop(player.stdin.take());
    let start = Instant::now();
    while player.try_wait().expect("a child").is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            player.kill().expect("it is killed");
            panic!("the player went on for a minute");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Turns a clip as phones do: in its display matrix alone, of which the first four numbers are given.
fn turn(path: &Path, to: &Path, [a, b, c, d]: [i32; 4]) {
    let mut bytes = std::fs::read(path).expect("a clip");
    let name = bytes.windows(4).position(|word| word == b"tkhd").expect("a track");
    // The matrix of a version 0 header lies 44 bytes behind its name, its numbers in 16.16 but for the last.
    assert_eq!(bytes[name + 4], 0, "a header of version 0");
    let matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30];
    for (i, number) in matrix.into_iter().enumerate() {
        bytes[name + 44 + 4 * i..][..4].copy_from_slice(&number.to_be_bytes());
    }
    std::fs::write(to, bytes).expect("a clip");
}

/// The only frame that `snarm worst` saves of a clip.
fn frame(dir: &Path, clip: &str) -> RgbImage {
    run(dir, &format!("worst --video {clip} --results r.jsonl --out {clip}-worst"), 0);
    let path = dir.join(format!("{clip}-worst/01-frame-000000-score-0.900.png"));
    image::open(path).expect("a picture").into_rgb8()
}

#[test]
fn a_turned_clip_is_seen_upright() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let line = format!(
        "videotestsrc num-buffers=3 pattern=smpte ! video/x-raw,width=128,height=96,framerate=10/1 ! jpegenc \
         ! qtmux ! filesink location={}",
        dir.join("lying.mov").display()
    );
    play(&line, |_| ());
    std::fs::write(dir.join("r.jsonl"), "{\"score\":0.9,\"threshold\":0.5,\"anomalous\":true}\n")
        .expect("results");
    let lying = frame(dir, "lying.mov");
    let turns: [(&str, [i32; 4], RgbImage); 8] = [
        ("0.mov", [1, 0, 0, 1], lying.clone()),
        ("90.mov", [0, 1, -1, 0], rotate90(&lying)),
        ("180.mov", [-1, 0, 0, -1], rotate180(&lying)),
        ("270.mov", [0, -1, 1, 0], rotate270(&lying)),
        ("mirrored.mov", [-1, 0, 0, 1], flip_horizontal(&lying)),
        ("upside-down.mov", [1, 0, 0, -1], flip_vertical(&lying)),
        ("transposed.mov", [0, 1, 1, 0], flip_horizontal(&rotate90(&lying))),
        ("other-corner.mov", [0, -1, -1, 0], flip_horizontal(&rotate270(&lying))),
    ];
    for (name, matrix, expected) in turns {
        turn(&dir.join("lying.mov"), &dir.join(name), matrix);
        let found = frame(dir, name);
        assert_eq!(found.dimensions(), expected.dimensions(), "{name}");
        let apart = expected
            .pixels()
            .zip(found.pixels())
            .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 12));
        assert_eq!(apart.count(), 0, "pixels of {name}");
    }
}

/// Half of a copy is no whole clip: nothing says so but the length in its header.
#[test]
fn a_clip_that_was_cut_short_is_told() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let line = format!(
        "videotestsrc num-buffers=50 pattern=snow ! video/x-raw,width=64,height=64,framerate=10/1 ! jpegenc \
         ! matroskamux ! filesink location={}",
        dir.join("whole.mkv").display()
    );
    play(&line, |_| ());
    let bytes = std::fs::read(dir.join("whole.mkv")).expect("a clip");
    std::fs::write(dir.join("cut.mkv"), &bytes[..bytes.len() / 2]).expect("a clip");
    assert!(stdout(&run(dir, "doctor whole.mkv", 0)).contains("50 frames in 5.00 s"));
    let words = "expected frames up to the 5.00 s that the clip states, found the last one to end at 2.";
    let message = stdout(&run(dir, "doctor cut.mkv", 1));
    assert!(message.contains(words), "{message}");
    let learn = |clip: &str| {
        stderr(&run(dir, &format!("bank {clip} -o a.bank --capacity 50 --reduction random --interval 5"), 0))
    };
    let message = learn("cut.mkv");
    assert!(message.contains(words), "{message}");
    let message = learn("whole.mkv");
    assert!(!message.contains("expected frames"), "{message}");
}

/// The last second of a clip may be its sound alone; where there is none it is missing.
#[test]
fn a_clip_without_sound_that_lacks_its_last_frames_is_told() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let line = format!(
        "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,width=64,height=64,framerate=10/1 ! jpegenc \
         ! matroskamux ! filesink location={}",
        dir.join("whole.mkv").display()
    );
    play(&line, |_| ());
    let bytes = std::fs::read(dir.join("whole.mkv")).expect("a clip");
    std::fs::write(dir.join("cut.mkv"), &bytes[..bytes.len() * 7 / 10]).expect("a clip");
    let learn =
        |clip: &str| stderr(&run(dir, &format!("bank {clip} -o a.bank --capacity 50 --reduction random"), 0));
    let message = learn("cut.mkv");
    let words =
        "cut.mkv: expected frames up to the 2.00 s that the clip states, found the last one to end at 1.";
    assert!(message.contains(words), "{message}");
    let message = learn("whole.mkv");
    assert!(!message.contains("expected"), "{message}");
}

/// Damage inside a clip: its decoder goes on behind it, with fewer frames.
#[test]
fn a_clip_with_a_hole_is_told() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let encode = "x264enc tune=zerolatency key-int-max=1 ! h264parse ! mp4mux";
    let line = format!(
        "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! {encode} \
         ! filesink location={}",
        dir.join("whole.mp4").display()
    );
    play(&line, |_| ());
    let mut bytes = std::fs::read(dir.join("whole.mp4")).expect("a clip");
    let data = bytes.windows(4).position(|name| name == b"mdat").expect("frames") + 4;
    let end = bytes.windows(4).rposition(|name| name == b"moov").expect("a movie");
    let (first, part) = if data < end { (data, end - data) } else { (data, bytes.len() - data) };
    bytes[first + part * 2 / 5..first + part * 3 / 5].fill(0);
    std::fs::write(dir.join("hole.mp4"), bytes).expect("a clip");
    let learn =
        |clip: &str| stderr(&run(dir, &format!("bank {clip} -o a.bank --capacity 50 --reduction random"), 0));
    let message = learn("hole.mp4");
    let words = "hole.mp4: expected the 20 frames that the clip holds, found 1";
    assert!(message.contains(words) && message.contains("that can be decoded: it is damaged"), "{message}");
    let message = learn("whole.mp4");
    assert!(!message.contains("expected"), "{message}");
}

/// Frames that a copy lost, or that stand where nothing reads them, were not judged.
#[test]
fn frames_that_a_clip_lacks_are_not_judged() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for (name, rest) in [("whole.avi", "jpegenc ! avimux"), ("whole.ogv", "theoraenc ! oggmux")] {
        let line = format!(
            "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,format=I420,width=64,height=64,framerate=10/1 ! {rest} \
             ! filesink location={}",
            dir.join(name).display()
        );
        play(&line, |_| ());
    }
    let [avi, ogg] = ["whole.avi", "whole.ogv"].map(|name| std::fs::read(dir.join(name)).expect("a clip"));
    let mut damaged = ogg.clone();
    damaged[ogg.len() / 2] ^= 0xff;
    let lacking = [
        ("cut.avi", avi[..avi.len() / 2].to_vec(), "bytes that the clip states, found"),
        ("cut.ogv", ogg[..ogg.len() * 7 / 10].to_vec(), "it was cut short"),
        ("damaged.ogv", damaged, "expected a whole clip, found damage at byte"),
        ("second.ogv", [ogg.clone(), ogg].concat(), "expected one clip, found another one behind it"),
    ];
    run(dir, "bank whole.avi whole.ogv -o a.bank --capacity 50 --reduction random", 0);
    let detect = |clip: &str, code: i32| {
        let line =
            "--bank a.bank --out out --pictures none --threshold 1 --no-quality-gate --fail-on-anomaly";
        run(dir, &format!("detect {clip} {line}"), code)
    };
    for clip in ["whole.avi", "whole.ogv"] {
        let output = detect(clip, 0);
        assert!(!stderr(&output).contains("expected"), "{clip}: {}", stderr(&output));
    }
    for (clip, bytes, words) in lacking {
        std::fs::write(dir.join(clip), bytes).expect("a clip");
        let output = detect(clip, 4);
        assert!(stderr(&output).contains(words), "{clip}: {}", stderr(&output));
        assert!(stdout(&output).contains("1 clip(s) incomplete"), "{clip}: {}", stdout(&output));
        assert!(stdout(&run(dir, &format!("doctor {clip}"), 1)).contains(words), "{clip}");
    }
}

/// Where a track does not say how much of it is shown, the end that GStreamer makes up comes before frames that are stored in
/// another order than they are shown in.
#[test]
fn the_last_frames_of_a_fragmented_clip_are_read() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let line = format!(
        "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 \
         ! x264enc bframes=2 b-adapt=false ! h264parse ! mp4mux fragment-duration=500 ! filesink location={}",
        dir.join("parts.mp4").display()
    );
    play(&line, |_| ());
    let found = stdout(&run(dir, "doctor parts.mp4", 0));
    assert!(found.contains("20 frames in"), "{found}");
}

#[test]
fn a_second_track_of_pictures_is_told() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let track =
        "videotestsrc num-buffers=5 ! video/x-raw,width=64,height=64,framerate=10/1 ! jpegenc ! queue ! all.";
    let file = dir.join("two.mkv");
    play(&format!("matroskamux name=all ! filesink location={} {track} {track}", file.display()), |_| ());
    let found = stdout(&run(dir, "doctor two.mkv", 1));
    assert!(
        found.contains("expected one track of pictures, found 2: the first of them alone is read"),
        "{found}"
    );
}

/// A file opens no connection, and nothing is waited for without end.
#[test]
fn what_is_no_clip_is_refused_by_name() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    server.set_nonblocking(true).expect("a server that does not wait");
    let place = format!("http://{}/a.ts", server.local_addr().expect("an address"));
    let list = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{place}\n#EXT-X-ENDLIST\n"
    );
    let dash = format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>{place}</BaseURL></MPD>"
    );
    let picture = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    for (name, bytes, words) in [
        ("list.mp4", list.as_bytes(), "found a list of places to fetch one from (application/x-hls)"),
        ("dash.mp4", dash.as_bytes(), "found a list of places to fetch one from (application/dash+xml)"),
        ("places.mkv", place.as_bytes(), "found a list of places to fetch one from (text/uri-list)"),
        ("a.gif", picture, "expected a clip, found a GIF picture (image/gif)"),
    ] {
        std::fs::write(dir.join(name), bytes).expect("a file");
        let message = stderr(&run(dir, &format!("bank {name} -o a.bank"), 1));
        assert!(message.contains(words) && message.contains(name), "{message}");
    }
    let refused = server.accept().map(drop).expect_err("nobody connected");
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
}

/// Clips that were cut out of longer ones keep their times; a player shows them from 0 on, and so does the command.
#[test]
fn times_count_from_the_beginning_of_a_clip() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    // A transport stream begins with its clock, a moment before the first frame.
    for (name, muxer) in
        [("a.mkv", "matroskamux offset-to-zero=false"), ("a.mp4", "mp4mux"), ("a.ts", "mpegtsmux")]
    {
        let line = format!(
            "videotestsrc num-buffers=20 timestamp-offset=7000000000 ! video/x-raw,format=I420,width=64,height=64,framerate=10/1 \
             ! x264enc tune=zerolatency ! h264parse ! {muxer} ! filesink location={}",
            dir.join(name).display()
        );
        play(&line, |_| ());
        run(dir, &format!("bank {name} -o part.bank --capacity 50 --reduction random --range 0.5-1s"), 0);
        run(dir, &format!("detect {name} --bank part.bank --out {name}-out --pictures none"), 0);
        let text = std::fs::read_to_string(dir.join(format!("{name}-out/results.jsonl"))).expect("results");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let times: Vec<u64> = lines.iter().filter_map(|line| line["timestamp"].as_u64()).collect();
        assert_eq!(times.len(), 20, "{name}");
        assert!(
            times[0] < 200_000_000 && times[19].abs_diff(times[0] + 1_900_000_000) < 1_000_000,
            "{name}: {times:?}"
        );
    }
}

#[test]
fn the_files_of_a_recording_are_one_clip_to_worst() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for (name, pattern) in [("a.mkv", "black"), ("b.mkv", "white")] {
        let line = format!(
            "videotestsrc num-buffers=2 pattern={pattern} ! video/x-raw,width=64,height=64 ! jpegenc \
             ! matroskamux ! filesink location={}",
            dir.join(name).display()
        );
        play(&line, |_| ());
    }
    let line =
        |i: u32| format!("{{\"frame-number\":{i},\"score\":0.{i},\"threshold\":0.5,\"anomalous\":false}}\n");
    std::fs::write(dir.join("r.jsonl"), (0..4).map(line).collect::<String>()).expect("results");
    run(dir, "worst --video a.mkv b.mkv --results r.jsonl --out worst --count 4", 0);
    let light =
        |name: &str| image::open(dir.join("worst").join(name)).expect("a picture").into_rgb8()[(9, 9)].0[0];
    assert!(light("01-frame-000003-score-0.300.png") > 200 && light("03-frame-000001-score-0.100.png") < 50);
    let message = stderr(&run(dir, "worst --video a.mkv --results r.jsonl --out none", 1));
    assert!(message.contains("expected a frame for each of 4 lines of results, found 2"), "{message}");
}

/// Frames of two clips have the same numbers.
#[test]
fn clips_that_are_judged_together_have_pictures_of_their_own() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for (name, pattern) in [("one/run.mkv", "black"), ("two/run.mkv", "white"), ("other.mkv", "ball")] {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let line = format!(
            "videotestsrc num-buffers=3 pattern={pattern} ! video/x-raw,width=64,height=64,framerate=10/1 ! jpegenc \
             ! matroskamux ! filesink location={}",
            path.display()
        );
        play(&line, |_| ());
    }
    let learn = "--capacity 100 --reduction random";
    run(dir, &format!("bank one/run.mkv two/run.mkv other.mkv -o a.bank {learn}"), 0);
    run(dir, "detect one/run.mkv two/run.mkv other.mkv --bank a.bank -o out --pictures all", 0);
    let text = std::fs::read_to_string(dir.join("out/results.jsonl")).expect("results");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: BTreeSet<&str> = lines.iter().filter_map(|line| line["annotated"].as_str()).collect();
    assert_eq!((lines.len(), names.len()), (9, 9), "{names:?}");
    let light = |name: &str| {
        let picture = image::open(dir.join("out/annotated").join(name)).expect("a picture").into_rgb8();
        u32::from(picture[(40, 40)].0[1])
    };
    let [black, white] = [light("run/frame-000001.png"), light("run_mkv/frame-000001.png")];
    assert!(black + 50 < white, "{black} {white}");
    assert!(names.contains("annotated/other/frame-000002.png"), "{names:?}");
    // A clip by itself needs no name.
    run(dir, "detect other.mkv --bank a.bank -o alone --pictures all", 0);
    assert!(dir.join("alone/annotated/frame-000002.png").is_file());
}

#[test]
fn each_stretch_without_a_frame_is_told() {
    if no_gstreamer() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    variable_rate(&dir.join("motion.mkv"));
    let learn = "bank motion.mkv -o part.bank --capacity 200 --reduction random --range";
    let told = stderr(&run(dir, &format!("{learn} 0-0.5s,300s-400s,500-"), 0));
    for stretch in ["300s-400s", "500s-"] {
        let words = format!(
            "expected frames in the stretch {stretch}, found a clip of 20 frames and 61.00 s: motion.mkv"
        );
        assert!(told.contains(&words), "{told}");
    }
    let told = stderr(&run(dir, &format!("{learn} 0-0.5s,10-20s"), 0));
    assert!(
        told.contains("expected frames in the stretch 10s-20s, found none in the first 11 frames"),
        "{told}"
    );
    assert!(!stderr(&run(dir, &format!("{learn} 0-0.5s,60-"), 0)).contains("the stretch"));
    let told = stderr(&run(dir, &format!("{learn} 70-80s,90-100s"), 1));
    assert!(told.contains("in the given range (70s-80s, 90s-100s), found a clip of 20 frames"), "{told}");
}
