//! Processes with a driver, pipelines in them, and what came out.

use std::path::{Path, PathBuf};
use std::process::Command;

use gst::prelude::*;
use gst_video::prelude::*;
use gstsnarm::meta::AnomalyMeta;
use snarm_core::Grid;
use snarm_core::encoder::file::{Header, save};
use snarm_core::encoder::{ConvSizes, Geometry, IMAGENET, Level, Network, seeded};
use snarm_tests::fake_cuda::{self, Mode};
use snarm_tests::skip::skip;

/// Frames that are learned.
pub(crate) const GOOD: &str = "videotestsrc num-buffers=4 pattern=ball";

/// Caps without which cudaupload hands on what it gets, where that is taken, too.
pub(crate) const CUDA: &str = "video/x-raw(memory:CUDAMemory)";

/// An upload, as a part of a line.
pub(crate) const UPLOAD: &str = "! cudaupload ! video/x-raw(memory:CUDAMemory)";

/// What a child says where GStreamer's elements are not there.
const LACKING: &str = "no cudaupload here";

/// A folder for files of this test program.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gstcuda");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// What the driver counted in a process.
pub(crate) struct Counts(String);

impl Counts {
    /// One of the counts.
    pub(crate) fn of(&self, name: &str) -> u64 {
        let found = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.expect("a count of that name").parse().unwrap()
    }
}

/// Runs `test`, which is ignored otherwise, in a process with the driver over host memory and these settings of it. Nothing
/// where that cannot be.
pub(crate) fn on_a_device(test: &str, settings: &[(&str, &str)]) -> Option<Counts> {
    let drivers = fake_cuda::folder(Mode::Plain)?;
    in_a_process(test, &drivers, settings)
}

/// The same with the libraries of a folder.
pub(crate) fn in_a_process(test: &str, drivers: &Path, settings: &[(&str, &str)]) -> Option<Counts> {
    let name = |suffix: &str| {
        let settings: String = settings.iter().map(|(name, value)| format!("-{name}-{value}")).collect();
        scratch(&format!("{}{settings}.{suffix}", test.replace("::", "-")))
    };
    let report = name("counts");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", test])
        .env("LD_LIBRARY_PATH", drivers)
        .env("FAKE_CUDA_THREADS", "2")
        .env("FAKE_CUDA_REPORT", &report)
        // Which elements there are depends on the driver.
        .env("GST_REGISTRY", name("registry"))
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if text.contains(LACKING) {
        skip("element", "cudaupload of gstreamer1.0-plugins-bad");
        return None;
    }
    assert!(output.status.success() && text.contains("1 passed"), "{settings:?}: {text}");
    println!("{text}");
    Some(Counts(std::fs::read_to_string(report).unwrap_or_default()))
}

/// Starts GStreamer; whether it has the elements of CUDA.
pub(crate) fn init() -> bool {
    gst::init().unwrap();
    gstsnarm::plugin_register_static().unwrap();
    let is_there = gst::ElementFactory::find("cudaupload").is_some();
    if !is_there {
        println!("{LACKING}");
    }
    is_there
}

/// What came out of a pipeline.
pub(crate) struct Run {
    pub(crate) samples: Vec<gst::Sample>,
    pub(crate) warnings: Vec<String>,
    pub(crate) error: Option<String>,
}

impl Run {
    /// The metas of the frames.
    pub(crate) fn metas(&self) -> Vec<AnomalyMeta> {
        self.samples.iter().map(meta).collect()
    }

    /// The pixels of the frames, without what pads their rows.
    pub(crate) fn pixels(&self) -> Vec<Vec<u8>> {
        self.samples.iter().map(pixels).collect()
    }

    /// That there was neither error nor warning.
    #[track_caller]
    pub(crate) fn checked_quiet(self) -> Self {
        assert_eq!((self.error.as_deref(), &self.warnings[..]), (None, &[][..]));
        self
    }
}

/// The meta of a frame.
pub(crate) fn meta(sample: &gst::Sample) -> AnomalyMeta {
    gstsnarm::meta::read(sample.buffer().unwrap()).expect("a SnarmAnomalyMeta")
}

/// The pixels of a frame, without what pads its rows.
pub(crate) fn pixels(sample: &gst::Sample) -> Vec<u8> {
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info).unwrap();
    let mut all = Vec::new();
    for plane in 0..frame.n_planes() {
        let component = (0..info.n_components()).find(|c| info.comp_plane(*c as u8) == plane).unwrap() as u8;
        let row = info.comp_width(component) as usize * info.comp_pstride(component) as usize;
        let stride = frame.plane_stride()[plane as usize] as usize;
        for y in 0..info.comp_height(component) as usize {
            all.extend_from_slice(&frame.plane_data(plane).unwrap()[y * stride..][..row]);
        }
    }
    all
}

/// Plays a pipeline that ends in an appsink, which is added here.
pub(crate) fn play(line: &str) -> Run {
    play_with(line, |_| ())
}

/// The same, after `before` has seen the pipeline.
pub(crate) fn play_with(line: &str, before: impl FnOnce(&gst::Pipeline)) -> Run {
    let line = format!("{line} ! appsink name=sink sync=false");
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    before(&pipeline);
    let run = until_the_end(&pipeline, |_, _| ());
    pipeline.set_state(gst::State::Null).unwrap();
    run
}

/// Plays as far as EOS or an error; `seen` hears of each frame and how many were before it.
pub(crate) fn until_the_end(pipeline: &gst::Pipeline, mut seen: impl FnMut(&gst::Sample, usize)) -> Run {
    let sink = pipeline.by_name("sink").unwrap().downcast::<gst_app::AppSink>().unwrap();
    // A failure to start is on the bus, too.
    let started = pipeline.set_state(gst::State::Playing);
    let mut samples = Vec::new();
    let mut error = None;
    let bus = pipeline.bus().unwrap();
    let mut warnings = Vec::new();
    let mut listen = |error: &mut Option<String>| {
        while let Some(message) = bus.pop() {
            match message.view() {
                gst::MessageView::Warning(warning) => warnings.push(warning.error().message().to_owned()),
                gst::MessageView::Error(failed) if error.is_none() => {
                    *error = Some(failed.error().message().to_owned());
                }
                _ => {}
            }
        }
    };
    loop {
        listen(&mut error);
        if started.is_err() || error.is_some() {
            break;
        }
        match sink.try_pull_sample(gst::ClockTime::from_mseconds(100)) {
            Some(sample) => {
                seen(&sample, samples.len());
                samples.push(sample);
            }
            None if sink.is_eos() => break,
            None => {}
        }
    }
    // Sources end the stream after an error, too.
    listen(&mut error);
    Run { samples, warnings, error }
}

/// A network that is small enough for a driver over host memory, its weights drawn by their names.
pub(crate) fn encoder() -> PathBuf {
    let location = scratch(&format!("encoder-{}.safetensors", std::process::id()));
    let ([c0, c1], patch, width, side) = ([16, 32], 8, 32, 112);
    let sizes = ConvSizes { patch, kernel: 3, dims: [c0, c1], blocks: [1, 1] };
    let grid = side / sizes.stride();
    let level = Level { grid: Grid::square(grid), width };
    let geometry = Geometry::new(Grid::square(side), level, IMAGENET);
    let header = Header::new(Network::Conv(sizes), &geometry, "a test".to_owned());
    let mut shapes: Vec<(String, Vec<usize>)> = vec![("position".to_owned(), vec![grid * grid, c1])];
    for (name, out, inputs) in [
        ("stem", c0, vec![3, patch, patch]),
        ("merge", c1, vec![4 * c0]),
        ("head", width, vec![c1]),
        ("stages.0.0.depthwise", c0, vec![3, 3]),
        ("stages.0.0.fc1", 4 * c0, vec![c0]),
        ("stages.0.0.fc2", c0, vec![4 * c0]),
        ("stages.1.0.depthwise", c1, vec![3, 3]),
        ("stages.1.0.fc1", 4 * c1, vec![c1]),
        ("stages.1.0.fc2", c1, vec![4 * c1]),
    ] {
        shapes.push((format!("{name}.weight"), [vec![out], inputs].concat()));
        shapes.push((format!("{name}.bias"), vec![out]));
    }
    for (name, n) in [
        ("stem.norm", c0),
        ("merge.norm", c0),
        ("head.norm", c1),
        ("stages.0.0.norm", c0),
        ("stages.1.0.norm", c1),
    ] {
        shapes.extend(["weight", "bias"].map(|part| (format!("{name}.{part}"), vec![n])));
    }
    let tensors: Vec<_> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let mean = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
            let inputs: usize = shape[1..].iter().product();
            let values = seeded::values(&name, shape.iter().product(), mean, 0.8 / (inputs as f32).sqrt());
            (name, shape, values)
        })
        .collect();
    save(&location, &header, &tensors).unwrap();
    location
}

/// A bank of the good frames, learned on the CPU.
pub(crate) fn bank(name: &str, line: &str) -> PathBuf {
    bank_of(name, GOOD, line)
}

/// The same of other frames.
pub(crate) fn bank_of(name: &str, frames: &str, line: &str) -> PathBuf {
    let location = scratch(&format!("{name}-{}.bank", std::process::id()));
    play(&format!(
        "{frames} ! {line} ! snarmbank encoder={} bank-capacity=100 device=cpu location={}",
        encoder().display(),
        location.display()
    ))
    .checked_quiet();
    location
}

/// A detector without a decoder.
pub(crate) fn detector(bank: &Path) -> String {
    format!("snarmdetect bank-location={} model-location=none threshold=0.5", bank.display())
}

/// Light is that of the other one, and scores and maps are, within what bf16 is.
#[track_caller]
pub(crate) fn assert_same(expected: &[AnomalyMeta], found: &[AnomalyMeta]) {
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(found) {
        assert!(expected.analysed && found.analysed);
        assert!((expected.score - found.score).abs() < 0.02, "{} {}", expected.score, found.score);
        let raw = (found.score_raw / expected.score_raw - 1.0).abs();
        assert!(raw < 0.05, "{} {}", expected.score_raw, found.score_raw);
        assert!((found.light - expected.light).abs() < 0.002, "{} {}", expected.light, found.light);
        let sharpness = (found.sharpness - expected.sharpness).abs();
        assert!(sharpness < 0.01, "{} {}", expected.sharpness, found.sharpness);
        assert_eq!(expected.reason, found.reason);
        let bytes = |meta: &AnomalyMeta| meta.map.as_ref().unwrap().map_readable().unwrap().to_vec();
        let (a, b) = (bytes(expected), bytes(found));
        let apart: f64 =
            a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64;
        assert!(a.len() == b.len() && apart < 3.0, "maps are {apart} of 255 apart");
    }
}
