//! Times `snarmoverlay` on 1080p NV12 frames with a defect, against GStreamer's own overlays in turn, frame by frame.
//!
//! `cargo run --release -p snarm-tests --example overlay_vs_upstream [ROUNDS]`
//!
//! The result that is drawn is what `snarmdetect` says of a synthetic plate with a dent and a scratch. A plugin on
//! GST_PLUGIN_PATH is taken instead of the one that is built in: with the feature `analytics`, upstream's overlays of
//! GStreamer 1.26 and later draw the same result. A line that this GStreamer cannot run is left out.

#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoOverlayComposition, VideoOverlayCompositionMeta};

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// Rounds before those that are counted.
const WARM_UP: usize = 5;

/// A drawing as near to ours as upstream's elements come, for those that take no metadata: two translucent parts, their
/// outlines and a label.
const SVG: &str = "<svg width='1920' height='1080'>\
    <rect x='40' y='40' width='330' height='60' fill='#12161b' fill-opacity='0.7'/>\
    <text x='60' y='85' font-size='40' fill='#fff'>anomalous 0.87</text>\
    <g fill='#f80' fill-opacity='0.5' stroke='#eb403c' stroke-width='3'>\
    <ellipse cx='560' cy='420' rx='90' ry='90'/>\
    <rect x='1260' y='590' width='280' height='120' rx='50'/></g></svg>";

/// One way to draw, and the times that it took.
struct Way {
    name: &'static str,
    harness: Harness,
    times: Vec<Duration>,
}

fn caps() -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "NV12")
        .field("width", WIDTH as i32)
        .field("height", HEIGHT as i32)
        .field("framerate", gst::Fraction::new(25, 1))
        .field("colorimetry", "bt709")
        .build()
}

/// A brushed plate with a hole pattern; `bad` has a dent and a scratch.
fn plate(n: usize, bad: bool) -> gst::Buffer {
    let luma = |x: usize, y: usize| {
        let grain = (x * 7 + y * 13 + n * 29).wrapping_mul(2_654_435_761) >> 13 & 7;
        let brushed = 96 + (y * 5 / 16) % 24;
        let hole = (x % 240).abs_diff(120).pow(2) + (y % 180).abs_diff(90).pow(2) < 900;
        let dent = bad && x.abs_diff(560).pow(2) + y.abs_diff(420).pow(2) < 1600;
        let scratch = bad && (1300..1500).contains(&x) && y.abs_diff(600 + x / 8 - 120) < 5;
        match (dent, scratch) {
            (true, _) => 30 + grain,
            (_, true) => 225 + grain,
            _ if hole => 40 + grain,
            _ => brushed + grain,
        }
    };
    let mut pixels: Vec<u8> = (0..WIDTH * HEIGHT).map(|i| luma(i % WIDTH, i / WIDTH) as u8).collect();
    pixels.resize(WIDTH * HEIGHT * 3 / 2, 128);
    let mut buffer = gst::Buffer::from_mut_slice(pixels);
    if let Some(inside) = buffer.get_mut() {
        inside.set_pts(gst::ClockTime::from_mseconds(40 * n as u64));
        inside.set_duration(gst::ClockTime::from_mseconds(40));
    }
    buffer
}

/// Elements on a harness that takes our frames. `overlaycomposition` gets what it has to draw.
fn harness(line: &str, tiles: Option<&VideoOverlayComposition>) -> Result<Harness> {
    let line = format!("identity name=first ! {line} ! identity name=last");
    let bin = gst::parse::bin_from_description(&line, false)?;
    for (element, pad) in [("first", "sink"), ("last", "src")] {
        let inner = bin.by_name(element).and_then(|element| element.static_pad(pad)).context("no pad")?;
        bin.add_pad(&gst::GhostPad::builder_with_target(&inner)?.name(pad).build())?;
    }
    if let (Some(theirs), Some(tiles)) = (bin.by_name("theirs"), tiles.cloned()) {
        theirs.connect("draw", false, move |_| Some(tiles.to_value()));
    }
    let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
    harness.set_src_caps(caps());
    Ok(harness)
}

/// What `snarmdetect` makes of a good and of a bad frame, after it has learned good ones.
fn inspected() -> Result<[gst::Buffer; 2]> {
    let folder = tempfile::tempdir()?;
    let bank = folder.path().join("plate.bank");
    let mut learner = harness(&format!("snarmbank bank-capacity=2000 location={}", bank.display()), None)?;
    for n in 0..10 {
        learner.push(plate(n, false))?;
    }
    ensure!(learner.push_event(gst::event::Eos::new()), "no bank was made");
    let mut detector = harness(&format!("snarmdetect bank-location={}", bank.display()), None)?;
    let mut inspect = |bad| detector.push_and_pull(plate(20, bad)).context("the detector fails");
    Ok([inspect(false)?, inspect(true)?])
}

/// The tiles of our overlay as upstream takes them.
fn composition(frame: &gst::Buffer) -> Result<VideoOverlayComposition> {
    let out = harness("snarmoverlay render-mode=attach", None)?.push_and_pull(copy(frame)?)?;
    let meta = out.meta::<VideoOverlayCompositionMeta>().context("nothing is attached")?;
    Ok(meta.overlay_owned())
}

/// Pixels of its own, so that they are drawn on in place.
fn copy(frame: &gst::Buffer) -> Result<gst::Buffer> {
    Ok(frame.copy_deep()?)
}

impl Way {
    /// `None` where GStreamer lacks an element of the line.
    fn new(name: &'static str, line: &str, tiles: &VideoOverlayComposition) -> Result<Option<Self>> {
        let mut elements = line.split(" ! ").filter_map(|element| element.split(' ').next());
        if let Some(missing) = elements.find(|name| gst::ElementFactory::find(name).is_none()) {
            println!("left out: {name}: GStreamer here has no {missing}");
            return Ok(None);
        }
        Ok(Some(Self { name, harness: harness(line, Some(tiles))?, times: Vec::new() }))
    }

    /// The frame as it leaves.
    fn draw(&mut self, frame: &gst::Buffer) -> Result<gst::Buffer> {
        let frame = copy(frame)?;
        let start = Instant::now();
        self.harness.push(frame).with_context(|| self.name)?;
        self.times.push(start.elapsed());
        self.harness.pull().with_context(|| self.name)
    }

    fn row(&mut self) -> String {
        self.times.drain(..WARM_UP.min(self.times.len()));
        self.times.sort_unstable();
        let ms = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
        let [least, median] = [self.times.first(), self.times.get(self.times.len() / 2)].map(ms);
        format!("| {} | {median:.2} | {least:.2} |", self.name)
    }
}

/// Pixels whose luma is not that of the frame that went in, in percent.
fn touched(before: &gst::Buffer, after: &gst::Buffer) -> Result<f64> {
    let (before, after) = (before.map_readable()?, after.map_readable()?);
    let luma = before.iter().zip(after.iter()).take(WIDTH * HEIGHT);
    Ok(luma.filter(|(a, b)| a != b).count() as f64 * 100.0 / (WIDTH * HEIGHT) as f64)
}

fn main() -> Result<()> {
    gst::init()?;
    if gst::ElementFactory::find("snarmoverlay").is_none() {
        gstsnarm::plugin_register_static()?;
    }
    let rounds = std::env::args().nth(1).map_or(Ok(200), |n| n.parse::<usize>())?;
    let [good, bad] = inspected()?;
    let meta = gstsnarm::meta::read(&bad).context("no SnarmAnomalyMeta")?;
    ensure!(!meta.regions.is_empty(), "expected a frame with regions, found one without");
    println!(
        "GStreamer {}; {rounds} rounds of {WIDTH}x{HEIGHT} NV12; {}: score {:.2}, {} regions, {:.2} % of the frame",
        gst::version_string(),
        meta.verdict,
        meta.score,
        meta.regions.len(),
        100.0 * meta.area
    );
    let tiles = composition(&bad)?;
    let svg = format!(
        "videoconvert ! rsvgoverlay data=\"{SVG}\" ! videoconvert ! capsfilter caps=video/x-raw,format=NV12"
    );
    let ways = [
        ("snarmoverlay, a good frame", "snarmoverlay", &good),
        ("snarmoverlay", "snarmoverlay", &bad),
        ("overlaycomposition, the same tiles ready-made", "overlaycomposition name=theirs", &bad),
        ("snarmoverlay draw=heatmap", "snarmoverlay draw=heatmap", &bad),
        ("segmentationoverlay", "segmentationoverlay", &bad),
        ("snarmoverlay draw=boxes", "snarmoverlay draw=boxes", &bad),
        ("objectdetectionoverlay", "objectdetectionoverlay", &bad),
        ("snarmoverlay draw=score", "snarmoverlay draw=score", &bad),
        ("textoverlay", "textoverlay text=\"anomalous 0.87\" shaded-background=true", &bad),
        ("snarmoverlay, all there is", "snarmoverlay draw=heatmap+contours+boxes+score+bar+border+roi", &bad),
        ("rsvgoverlay between two videoconvert", &svg, &bad),
    ];
    let mut running = Vec::new();
    for (name, line, frame) in ways {
        running.extend(Way::new(name, line, &tiles)?.map(|way| (way, frame)));
    }
    for _ in 0..WARM_UP + rounds {
        for (way, frame) in &mut running {
            way.draw(frame)?;
        }
    }
    println!("\n| overlay | median, ms | least, ms |\n|---|---|---|");
    for (way, _) in &mut running {
        println!("{}", way.row());
    }
    println!();
    for (way, frame) in &mut running {
        let out = way.draw(frame)?;
        println!("{}: {:.2} % of the luma changed", way.name, touched(frame, &out)?);
    }
    Ok(())
}
