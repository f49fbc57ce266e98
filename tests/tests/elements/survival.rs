//! `SnarmAnomalyMeta` behind other people's elements: what a table in docs/integrators.md says, measured.

use std::path::Path;

use gst::prelude::*;
use gst_app::AppSink;
use gstsnarm::meta::AnomalyMeta;
use snarm_tests::skip::skip;

use crate::common::{bank, init};

/// Frames that go through each pipeline.
const FRAMES: usize = 3;

/// Stands for a file that is written, and then read.
const FILE: &str = " ! FILE ! ";

/// How long a pipeline may take for its next frame.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// Whether the meta arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Kept,
    Lost,
}

use Fate::{Kept, Lost};

/// Elements as the table names them, the line that is run when it is another one, and what becomes of the meta.
const ROWS: [(&str, &str, Fate); 40] = [
    ("identity", "", Kept),
    ("queue", "", Kept),
    ("multiqueue", "", Kept),
    ("valve", "", Kept),
    ("concat", "", Kept),
    ("input-selector", "", Kept),
    ("videobalance", "videobalance contrast=0.5", Kept),
    ("videorate", "", Kept),
    ("timecodestamper", "", Kept),
    ("imagefreeze", "imagefreeze num-buffers=3", Kept),
    ("textoverlay", "textoverlay text=a", Kept),
    ("videoconvert", "videoconvert ! video/x-raw,format=RGB", Kept),
    ("videoscale", "videoscale ! video/x-raw,width=64,height=64", Kept),
    ("videoconvertscale", "videoconvertscale ! video/x-raw,format=NV12,width=64,height=64", Kept),
    ("videocrop", "videocrop left=40 top=8", Kept),
    ("videobox", "videobox left=40 top=-8", Kept),
    ("videoflip", "videoflip method=horizontal-flip", Kept),
    ("glupload ! glcolorconvert ! gldownload", "", Kept),
    ("jpegenc", "", Kept),
    ("jpegenc ! jpegdec", "", Kept),
    ("pngenc ! pngdec", "videoconvert ! pngenc ! pngdec", Kept),
    ("x264enc ! h264parse", "x264enc tune=zerolatency ! h264parse", Kept),
    ("x264enc ! h264parse ! avdec_h264", "x264enc tune=zerolatency ! h264parse ! avdec_h264", Kept),
    ("openh264enc ! h264parse ! openh264dec", "", Kept),
    ("x265enc ! h265parse", "x265enc tune=zerolatency ! h265parse", Kept),
    ("vp8enc ! vp8dec", "", Kept),
    ("vp9enc ! vp9dec", "vp9enc lag-in-frames=0 ! vp9dec", Kept),
    ("avenc_mpeg4 ! avdec_mpeg4", "", Kept),
    ("rtph264pay ! rtph264depay", "x264enc tune=zerolatency ! h264parse ! rtph264pay ! rtph264depay", Kept),
    ("rtpvrawpay ! rtpvrawdepay", "", Kept),
    ("deinterlace", "", Kept),
    ("deinterlace mode=interlaced", "", Lost),
    ("interlace", "", Lost),
    ("compositor", "", Lost),
    ("alpha", "alpha ! video/x-raw,format=AYUV", Kept),
    ("gdppay ! gdpdepay", "", Lost),
    ("matroskamux ! FILE ! matroskademux", "jpegenc ! matroskamux ! FILE ! matroskademux", Lost),
    ("qtmux ! FILE ! qtdemux", "jpegenc ! qtmux ! FILE ! qtdemux", Lost),
    ("mpegtsmux ! FILE ! tsdemux", "x264enc tune=zerolatency ! h264parse ! mpegtsmux ! FILE ! tsdemux", Lost),
    ("multipartmux ! FILE ! multipartdemux", "jpegenc ! multipartmux ! FILE ! multipartdemux", Lost),
];

/// Elements of a line that this machine has not.
fn missing(line: &str) -> Option<&str> {
    let names = line.split(" ! ").filter_map(|element| element.split(' ').next());
    names
        .filter(|name| !name.contains('/') && *name != "FILE")
        .find(|name| gst::ElementFactory::find(name).is_none())
}

/// Runs test frames through the detector and `rest`, and returns what arrives at each `appsink`: the meta of every
/// buffer, where it has one. What is before [`FILE`] writes a file that the rest reads.
fn metas_behind(rest: &str) -> Vec<Vec<Option<AnomalyMeta>>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let line = format!(
        "videotestsrc num-buffers={FRAMES} pattern=smpte \
         ! video/x-raw,format=I420,width=160,height=120,framerate=25/1 \
         ! snarmdetect bank-location={} threshold=0 pixel-threshold=0 ! {rest}",
        bank()
    );
    match line.split_once(FILE) {
        Some((write, read)) => {
            let location = format!("location={}", file.display());
            run(&format!("{write} ! filesink {location}"));
            run(&format!("filesrc {location} ! {read}"))
        }
        None => run(&line),
    }
}

/// Runs a pipeline to its end and returns what arrives at each `appsink`.
fn run(line: &str) -> Vec<Vec<Option<AnomalyMeta>>> {
    let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let sinks =
        pipeline.iterate_sinks().into_iter().filter_map(|sink| sink.unwrap().downcast::<AppSink>().ok());
    let sinks = sinks.collect::<Vec<_>>();
    for sink in &sinks {
        sink.set_sync(false);
    }
    pipeline.set_state(gst::State::Playing).unwrap();
    let metas = sinks.iter().map(|sink| {
        let samples = std::iter::from_fn(|| sink.try_pull_sample(PATIENCE));
        samples.map(|sample| gstsnarm::meta::read(sample.buffer()?)).collect()
    });
    let metas = metas.collect();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(PATIENCE, &[gst::MessageType::Eos, gst::MessageType::Error]);
    let end = end.unwrap_or_else(|| panic!("{line}: neither end nor error"));
    if let gst::MessageView::Error(error) = end.view() {
        panic!("{line}: {} {:?}", error.error(), error.debug());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    metas
}

/// What became of the metas of one branch. A meta that arrives is whole: in fractions of the frame as analysed, with
/// its regions and map.
fn fate(rest: &str, metas: &[Option<AnomalyMeta>]) -> Fate {
    assert!(!metas.is_empty(), "{rest}: no buffer arrives");
    for meta in metas.iter().flatten() {
        assert!(meta.analysed, "{rest}");
        assert_eq!((meta.resolution.width, meta.resolution.height), (160, 120), "{rest}");
        assert!(!meta.regions.is_empty(), "{rest}");
        assert!(meta.map.as_ref().is_some_and(|map| map.size() > 0), "{rest}");
    }
    match metas.iter().flatten().count() {
        0 => Lost,
        n if n == metas.len() => Kept,
        n => panic!("{rest}: {n} of {} buffers have the meta", metas.len()),
    }
}

#[test]
fn every_row_of_the_table_is_as_it_says() {
    init();
    let mut wrong = Vec::new();
    for (name, line, expected) in ROWS {
        let line = if line.is_empty() { name } else { line };
        if let Some(element) = missing(line) {
            skip("element", format!("{name}: GStreamer here has no {element}"));
            continue;
        }
        let rest = format!("{line} ! appsink");
        let found = fate(&rest, &metas_behind(&rest)[0]);
        println!("{name}: {found:?}");
        if found != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "GStreamer {}: {wrong:#?}", gst::version_string());
}

#[test]
fn the_table_is_in_the_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/integrators.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let words = |fate| if fate == Kept { "kept" } else { "lost" };
    let rows =
        ROWS.map(|(name, _, fate)| format!("| `{}` | {} |", name.replace("FILE", "(a file)"), words(fate)));
    let absent: Vec<_> = rows.iter().filter(|row| !text.lines().any(|line| line == row.as_str())).collect();
    assert!(absent.is_empty(), "{} has no line {absent:#?}", path.display());
    let listed = text.lines().filter(|line| line.ends_with("| kept |") || line.ends_with("| lost |")).count();
    assert_eq!(listed, ROWS.len(), "{} lists rows that are not measured", path.display());
}

#[test]
fn frame_numbers_and_order_stay_behind_a_queue_and_a_rate_change() {
    init();
    let metas = metas_behind("queue ! identity ! videorate ! appsink");
    let mut numbers: Vec<_> = metas[0].iter().flatten().map(|meta| meta.frame_number).collect();
    // Newer versions of videorate repeat the last frame at the end of the stream.
    numbers.dedup();
    assert_eq!(numbers, (0..FRAMES as u64).collect::<Vec<_>>());
}

#[test]
fn both_branches_of_a_tee() {
    init();
    let rest =
        "tee name=t t. ! queue ! appsink t. ! queue ! videoconvert ! video/x-raw,format=NV12 ! appsink";
    let metas = metas_behind(rest);
    assert_eq!(metas.len(), 2);
    for branch in &metas {
        assert_eq!(fate(rest, branch), Kept);
    }
}

#[test]
fn a_second_detector_takes_the_place_of_the_first() {
    init();
    let rest = format!(
        "snarmdetect bank-location={} threshold=0 pixel-threshold=0 source-id=second ! appsink",
        bank()
    );
    let metas = metas_behind(&rest);
    assert_eq!(fate(&rest, &metas[0]), Kept);
    assert!(metas[0].iter().flatten().all(|meta| meta.source_id.as_deref() == Some("second")));
}
