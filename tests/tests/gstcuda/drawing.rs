//! Overlays on frames in CUDA memory.

use crate::common::{UPLOAD, bank, detector, init, on_a_device, play};

const FRAMES: &str = "videotestsrc num-buffers=2 pattern=ball motion=sweep";
const DRAWN: &str = "snarmoverlay draw=heatmap+contours+boxes+score+bar+border heatmap-min=0.1";

/// The most that a sample is apart from that of the other picture.
fn apart(a: &[Vec<u8>], b: &[Vec<u8>]) -> u8 {
    assert_eq!(a.iter().map(Vec::len).collect::<Vec<_>>(), b.iter().map(Vec::len).collect::<Vec<_>>());
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn frames_in_cuda_memory_are_drawn_on_there_as_on_the_cpu() {
    let Some(counts) = on_a_device("drawing::there", &[]) else { return };
    // Frames were scored on the CPU, so that all work of the device was drawing.
    assert!(counts.of("launches") > 0);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn there() {
    if !init() {
        return;
    }
    // An odd width, where a column of chroma has one column of luma; cudaupload of 1.22 leaves out the last bytes of such YUY2.
    for (format, width) in [
        ("NV12", 157),
        ("I420", 157),
        ("P010_10LE", 157),
        ("RGBA", 157),
        ("BGRx", 157),
        ("RGB", 157),
        ("YUY2", 158),
    ] {
        let caps = format!("video/x-raw,format={format},width={width},height=122");
        let detect = format!("{} device=cpu pixel-threshold=0.2", detector(&bank("drawing", &caps)));
        let plain = play(&format!("{FRAMES} ! {caps}")).pixels();
        let expected = play(&format!("{FRAMES} ! {caps} ! {detect} ! {DRAWN}")).checked_quiet().pixels();
        let line = format!("{FRAMES} ! {caps} {UPLOAD} ! {detect} ! {DRAWN} ! cudadownload ! {caps}");
        let found = play(&line).checked_quiet().pixels();
        assert!(apart(&plain, &expected) > 50, "{format}: nothing is drawn");
        assert!(apart(&expected, &found) <= 1, "{format}: {} apart", apart(&expected, &found));
    }
}

#[test]
fn frames_that_others_have_too_are_not_drawn_on() {
    on_a_device("drawing::shared", &[]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn shared() {
    if !init() {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=158,height=122";
    let detect = format!("{} device=cpu", detector(&bank("shared", caps)));
    let plain = play(&format!("{FRAMES} ! {caps}")).pixels();
    let line = format!(
        "{FRAMES} ! {caps} {UPLOAD} ! tee name=both both. ! queue ! {detect} ! {DRAWN} ! fakesink async=false both. ! queue ! \
         cudadownload ! {caps}"
    );
    assert_eq!(play(&line).checked_quiet().pixels(), plain);
}

#[test]
fn a_device_that_does_not_draw_leaves_it_to_the_cpu() {
    on_a_device("drawing::refused", &[("FAKE_CUDA_REFUSES", "1")]);
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn refused() {
    if !init() {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=158,height=122";
    let detect = format!("{} device=cpu", detector(&bank("refused", caps)));
    let expected = play(&format!("{FRAMES} ! {caps} ! {detect} ! {DRAWN}")).checked_quiet().pixels();
    let found = play(&format!("{FRAMES} ! {caps} {UPLOAD} ! {detect} ! {DRAWN} ! cudadownload ! {caps}"));
    assert_eq!(found.error, None);
    assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
    let end = "frames are drawn on by the CPU from now on";
    assert!(
        found.warnings[0].contains("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES") && found.warnings[0].ends_with(end)
    );
    assert_eq!(found.pixels(), expected);
}
