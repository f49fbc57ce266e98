//! Frames that come and stay in CUDA memory, and those that are uploaded.

use gst::prelude::*;
use gstsnarm::meta::AnomalyMeta;

use crate::common::{
    CUDA, GOOD, UPLOAD, assert_same, bank, bank_of, detector, encoder, init, meta, on_a_device, play,
    scratch, until_the_end,
};

/// What is scored: a ball in other places than in the good frames.
const FRAMES: &str = "videotestsrc num-buffers=3 pattern=ball motion=sweep";

fn all_of(metas: &[AnomalyMeta], device: &str) {
    assert!(!metas.is_empty());
    for meta in metas {
        assert_eq!((meta.device.as_str(), meta.analysed), (device, true));
    }
}

#[test]
fn frames_in_cuda_memory_are_scored_there_and_pass_untouched() {
    on_a_device("frames::in_cuda_memory", &[]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn in_cuda_memory() {
    if !init() {
        return;
    }
    for format in ["NV12", "I420", "RGBA", "BGRx", "RGB"] {
        // Widths that are no multiples of what rows are padded to.
        let caps = format!("video/x-raw,format={format},width=158,height=122");
        let bank = bank(format, &caps);
        let detect = detector(&bank);
        let expected = play(&format!("{FRAMES} ! {caps} ! {detect}")).checked_quiet();
        let there = play(&format!("{FRAMES} ! {caps} {UPLOAD} ! {detect}")).checked_quiet();
        // The download of GStreamer 1.22 leaves metas of their own behind.
        let found =
            play(&format!("{FRAMES} ! {caps} {UPLOAD} ! {detect} ! cudadownload ! {caps}")).checked_quiet();
        assert_eq!(expected.pixels(), found.pixels(), "{format}");
        all_of(&expected.metas(), "cpu");
        all_of(&there.metas(), "cuda:0");
        assert_same(&expected.metas(), &there.metas());
        // Downloaded for the CPU, and uploaded for the GPU.
        let cpu =
            play(&format!("{FRAMES} ! {caps} ! cudaupload ! {CUDA} ! {detect} device=cpu")).checked_quiet();
        all_of(&cpu.metas(), "cpu");
        let exactly = |metas: &[AnomalyMeta]| metas.iter().map(|meta| meta.score).collect::<Vec<_>>();
        assert_eq!(exactly(&expected.metas()), exactly(&cpu.metas()), "{format}");
        let uploaded = play(&format!("{FRAMES} ! {caps} ! {detect} device=cuda")).checked_quiet();
        all_of(&uploaded.metas(), "cuda:0");
        assert_eq!(exactly(&there.metas()), exactly(&uploaded.metas()), "{format}");
    }
}

#[test]
fn frames_in_other_light_are_brought_to_what_was_learned_there_too() {
    on_a_device("frames::dimmed", &[]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn dimmed() {
    if !init() {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=158,height=122";
    let bank = bank_of("dimmed", "videotestsrc num-buffers=6 pattern=smpte100 horizontal-speed=3", caps);
    let detect = detector(&bank);
    // The same bars with three quarters of the light.
    let frames = format!("videotestsrc num-buffers=4 pattern=smpte75 horizontal-speed=3 ! {caps}");
    let expected = play(&format!("{frames} ! {detect}")).checked_quiet().metas();
    let found = play(&format!("{frames} {UPLOAD} ! {detect}")).checked_quiet().metas();
    all_of(&found, "cuda:0");
    assert_same(&expected, &found);
    let as_they_are = format!("{detect} light-correction=false");
    let expected_so = play(&format!("{frames} ! {as_they_are}")).checked_quiet().metas();
    let found_so = play(&format!("{frames} {UPLOAD} ! {as_they_are}")).checked_quiet().metas();
    assert_same(&expected_so, &found_so);
    assert!(found.iter().all(|meta| (0.7..0.8).contains(&meta.light)));
    let sum = |metas: &[AnomalyMeta]| metas.iter().map(|meta| meta.score_raw).sum::<f64>();
    assert!(sum(&found) < 0.85 * sum(&found_so), "{} {}", sum(&found), sum(&found_so));
}

#[test]
fn no_frame_is_copied_to_the_host() {
    let counts = |frames: &str| on_a_device("frames::many", &[("SNARM_FRAMES", frames)]);
    let (Some(few), Some(many)) = (counts("2"), counts("6")) else { return };
    let more = |name: &str| many.of(name) - few.of(name);
    let frame = 640 * 480 * 3 / 2;
    // cudaupload brings them there.
    assert!((4 * frame..5 * frame).contains(&more("bytes_to_device")), "{}", more("bytes_to_device"));
    assert!(more("bytes_to_host") < frame / 10, "{}", more("bytes_to_host"));
    assert_eq!(more("allocations"), 0);
    // Another one is made where the plugin of cudaupload looks for decoders, which is given up at once.
    assert_eq!((few.of("contexts"), many.of("contexts")), (1, 1));
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn many() {
    if !init() {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=640,height=480";
    let detect = detector(&bank("many", caps));
    let frames = std::env::var("SNARM_FRAMES").unwrap();
    let line = format!(
        "videotestsrc num-buffers={frames} ! {caps} ! cudaupload ! {CUDA} ! {detect} ! fakesink name=end"
    );
    let pipeline = gst::parse::launch(&line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error, gst::MessageType::Warning];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(100), &ends).unwrap();
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn frames_of_the_host_go_to_the_device_of_that_number() {
    on_a_device("frames::numbers", &[("FAKE_CUDA_DEVICES", "2")]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn numbers() {
    if !init() {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=158,height=122";
    let detect = detector(&bank("numbers", caps));
    for (id, device) in [(-1, "cuda:0"), (0, "cuda:0"), (1, "cuda:1")] {
        let run = play(&format!("{FRAMES} ! {caps} ! {detect} device=cuda cuda-device-id={id}"));
        all_of(&run.checked_quiet().metas(), device);
    }
    // Those in CUDA memory stay where they are.
    let line =
        format!("{FRAMES} ! {caps} ! cudaupload cuda-device-id=0 ! {CUDA} ! {detect} cuda-device-id=1");
    all_of(&play(&line).checked_quiet().metas(), "cuda:0");
}

#[test]
fn banks_are_learned_of_frames_in_cuda_memory() {
    on_a_device("frames::learning", &[]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn learning() {
    if !init() {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=158,height=122";
    let learned = bank("learning", caps);
    for (upload, device) in [("cudaupload ! video/x-raw(memory:CUDAMemory) !", "auto"), ("", "cuda")] {
        let location = scratch(&format!("learning-there-{}.bank", std::process::id()));
        let line = format!(
            "{GOOD} ! {caps} ! {upload} snarmbank name=bank encoder={} bank-capacity=100 device={device} \
             location={} ! appsink name=sink sync=false",
            encoder().display(),
            location.display()
        );
        let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
        let run = until_the_end(&pipeline, |_, _| ()).checked_quiet();
        assert_eq!(run.samples.len(), 4);
        let stats = pipeline.by_name("bank").unwrap().property::<gst::Structure>("stats");
        let device = stats.get::<String>("device").unwrap();
        assert_eq!((stats.get::<u64>("frames-used").unwrap(), device.as_str()), (4, "cuda:0"));
        pipeline.set_state(gst::State::Null).unwrap();
        // Both banks say the same of other frames.
        let found = |bank| {
            play(&format!("{FRAMES} ! {caps} ! {} device=cpu", detector(bank))).checked_quiet().metas()
        };
        for (expected, found) in found(&learned).iter().zip(found(&location)) {
            let raw = (found.score_raw / expected.score_raw - 1.0).abs();
            assert!(raw < 0.1, "{} {}", expected.score_raw, found.score_raw);
            let light = (found.light - expected.light).abs();
            assert!(found.light > 0.0 && light < 0.002, "{} {}", expected.light, found.light);
        }
    }
}

#[test]
fn sizes_formats_and_memories_change_in_the_middle_of_a_stream() {
    on_a_device("frames::changes", &[]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn changes() {
    if !init() {
        return;
    }
    let caps = |format: &str, width: u32| format!("video/x-raw,format={format},width={width},height=122");
    let bank = bank("changes", &caps("NV12", 158));
    let detect = detector(&bank);
    let mut samples = Vec::new();
    for (format, width, upload) in
        [("NV12", 158, ""), ("NV12", 158, UPLOAD), ("RGBA", 202, UPLOAD), ("RGBA", 202, "")]
    {
        let some =
            play(&format!("videotestsrc num-buffers=2 pattern=ball ! {} {upload}", caps(format, width)));
        samples.extend(some.checked_quiet().samples);
    }
    // What was on the host is scored there, and what is in CUDA memory there.
    let line = format!("appsrc name=src format=time ! {detect} name=detect ! appsink name=sink sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("src").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    for sample in &samples {
        source.push_sample(sample).unwrap();
    }
    source.end_of_stream().unwrap();
    let run = until_the_end(&pipeline, |_, _| ()).checked_quiet();
    let devices: Vec<String> = run.metas().into_iter().map(|meta| meta.record.device).collect();
    let expected = ["cpu", "cpu", "cuda:0", "cuda:0", "cuda:0", "cuda:0", "cpu", "cpu"];
    assert_eq!(devices, expected);
    assert!(run.metas().iter().all(|meta| meta.analysed));
    pipeline.set_state(gst::State::Null).unwrap();
    // The same picture has the same score wherever it is.
    let score = |n: usize| meta(&run.samples[n]).score_raw;
    for (host, device) in [(0, 2), (1, 3), (6, 4), (7, 5)] {
        assert!((score(device) / score(host) - 1.0).abs() < 0.05, "{} {}", score(host), score(device));
    }
}

#[test]
fn another_bank_takes_its_place_on_the_device() {
    on_a_device("frames::hot_swap", &[]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn hot_swap() {
    if !init() {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=158,height=122";
    let (first, second) = (bank("first", caps), bank("second", caps));
    let line = format!(
        "videotestsrc pattern=ball ! {caps} ! cudaupload ! {CUDA} ! {} name=detect ! appsink name=sink sync=false max-buffers=1",
        detector(&first)
    );
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let next = || meta(&sink.pull_sample().unwrap());
    assert_eq!((next().bank_generation, next().device.as_str()), (0, "cuda:0"));
    pipeline.by_name("detect").unwrap().set_property("bank-location", second.to_str().unwrap());
    let swapped = std::iter::repeat_with(next).take(2000).find(|meta| meta.bank_generation == 1).unwrap();
    let told: Vec<String> = pipeline
        .bus()
        .unwrap()
        .iter_filtered(&[gst::MessageType::Warning, gst::MessageType::Error])
        .map(|message| format!("{message:?}"))
        .collect();
    assert_eq!((swapped.device.as_str(), swapped.analysed), ("cuda:0", true), "{told:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}
