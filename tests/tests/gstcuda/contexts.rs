//! One context for a pipeline: ours, where upstream asks, and that of others, where they were first.

use gst::prelude::*;

use crate::common::{
    CUDA, assert_same, bank, detector, init, meta, on_a_device, play, play_with, until_the_end,
};

const CAPS: &str = "video/x-raw,format=NV12,width=158,height=122";
const FRAMES: &str = "videotestsrc num-buffers=3 pattern=ball motion=sweep";
const CONTEXT: &str = "gst.cuda.context";

/// Contexts that GStreamer's plugin makes when it looks for decoders, and gives up at once.
const PROBED: u64 = 1;

#[test]
fn upstream_takes_our_context() {
    for device in ["auto", "cuda"] {
        let Some(counts) = on_a_device("contexts::ours", &[("SNARM_DEVICE", device)]) else { return };
        assert_eq!(counts.of("contexts"), PROBED, "beside the primary one");
    }
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn ours() {
    if !init() {
        return;
    }
    let (detect, device) = (detector(&bank("ours", CAPS)), std::env::var("SNARM_DEVICE").unwrap());
    // The overlay and a queue are in between, and two detectors share one context.
    let line = format!(
        "{FRAMES} ! {CAPS} ! cudaupload ! {CUDA} ! queue ! {detect} device={device} ! snarmoverlay ! {detect} device={device}"
    );
    let run = play(&line).checked_quiet();
    assert!(run.metas().iter().all(|meta| meta.device == "cuda:0"));
}

#[test]
fn a_context_of_others_is_kept() {
    let Some(counts) = on_a_device("contexts::foreign", &[]) else { return };
    assert_eq!(counts.of("contexts"), PROBED + 1, "that of the others");
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn foreign() {
    if !init() {
        return;
    }
    let detect = detector(&bank("foreign", CAPS));
    let expected = play(&format!("{FRAMES} ! {CAPS} ! {detect} device=cpu")).checked_quiet();
    // Nobody else is there, so that cudaupload makes a context.
    let mut frames = None;
    let mut context = None;
    let line = format!("{FRAMES} ! {CAPS} ! cudaupload name=upload ! {CUDA}");
    let run = play_with(&line, |pipeline| {
        let upload = pipeline.by_name("upload").unwrap();
        frames = Some(upload);
    });
    if let Some(upload) = frames {
        context = upload.context(CONTEXT);
    }
    let theirs = run.checked_quiet().samples;
    // Frames in it are scored in it, whether we have heard of it or not.
    let line = format!("appsrc name=src format=time ! {detect} ! appsink name=sink sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("src").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    theirs.iter().for_each(|sample| _ = source.push_sample(sample).unwrap());
    source.end_of_stream().unwrap();
    let found = until_the_end(&pipeline, |_, _| ()).checked_quiet();
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(found.samples.iter().all(|sample| meta(sample).device == "cuda:0"));
    assert_same(&expected.metas(), &found.metas());
    // Given to a pipeline, it is that of all who are in it.
    let context = context.expect("cudaupload has a context");
    for device in ["auto", "cuda"] {
        let line = format!("{FRAMES} ! {CAPS} ! cudaupload ! {CUDA} ! {detect} device={device}");
        let found = play_with(&line, |pipeline| pipeline.set_context(&context)).checked_quiet();
        assert_same(&expected.metas(), &found.metas());
    }
}
