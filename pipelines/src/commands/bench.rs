//! `snarm bench`: time of each stage of a whole frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use snarm_core::bank::BankBuilder;
use snarm_core::detect::{Choice, Detector, Limits, device_name};
use snarm_core::{simd, threads};

use super::{BankOptions, ModelOption, PrecisionOption, show_stage};
use crate::exit::Outcome;
use crate::output::{self, Table};
use crate::progress::Progress;
use crate::simulate::{self, Nv12};

/// Measures the time of each stage of a frame, on NV12 frames of a simulated line.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Frames to measure, after three that are not
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    frames: u32,
    /// Size of the frames
    #[arg(long, default_value = "1920x1080", value_parser = size)]
    size: (usize, usize),
    /// Good frames that the bank is made of
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=1000))]
    good_frames: u32,
    /// Print the figures as JSON, a line for each stage
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bank: BankOptions,
    #[command(flatten)]
    model: ModelOption,
    /// What encodes and matches: auto, cpu, cuda, or cuda:N. Work of a GPU goes on beside the program, so its time is that of
    /// the stage that waits for it; the whole frame's is right
    #[arg(long, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    device: Choice,
    #[command(flatten)]
    precision: PrecisionOption,
}

const WARM_UP: usize = 3;

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let (width, height) = args.size;
    let progress = Progress::new("learn");
    let good: Vec<Nv12> = simulate::pictures(width, height, args.good_frames as usize, true);
    let encoder = args.model.encoder(args.bank.encoder.as_deref(), args.precision.how()?)?;
    let decoder = args.model.decoder(&encoder)?;
    let mut builder = BankBuilder::new(Arc::clone(&encoder), args.bank.settings()?)?;
    if let Some(decoder) = &decoder {
        builder.calibrate_with(Arc::clone(decoder))?;
    }
    for picture in &good {
        builder.add(&picture.frame()?)?;
    }
    let bank = Arc::new(builder.finish(&mut show_stage(&progress))?);
    let vectors = format!("{} vectors of {}", bank.vectors(), bank.width());
    let mut detector = Detector::with_decoder(encoder, bank, decoder)?.on(args.device)?;
    let name = format!("{}, {vectors}, {}", detector.encoder().name(), detector.scorer());
    let limits = detector.bank_limits();
    let pictures: Vec<Nv12> = simulate::pictures(width, height, 8, false);
    progress.label("measure");
    let times = measure(&mut detector, &limits, &pictures, args.frames as usize, &progress)?;
    drop(progress);
    if args.json {
        for stage in &times {
            output::line(to_json(&name, args, &detector, stage))?;
        }
    } else {
        output::line(format!("{name}; {} NV12 frames of {width}x{height}; milliseconds", args.frames))?;
        table(&times).print()?;
    }
    Ok(Outcome::Done)
}

/// Times of one stage, or of a whole frame, sorted.
struct Stage {
    name: String,
    times: Vec<Duration>,
}

impl Stage {
    /// Median, least and most, in milliseconds.
    fn figures(&self) -> [f64; 3] {
        let ms = |time: Option<&Duration>| time.map_or(0.0, |t| t.as_secs_f64() * 1e3);
        [ms(self.times.get(self.times.len() / 2)), ms(self.times.first()), ms(self.times.last())]
    }
}

fn measure(
    detector: &mut Detector,
    limits: &Limits,
    pictures: &[Nv12],
    frames: usize,
    progress: &Progress,
) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    progress.expect(Some(frames));
    for (i, picture) in pictures.iter().cycle().take(WARM_UP + frames).enumerate() {
        let frame = picture.frame()?;
        let start = Instant::now();
        let times = detector.detect(&frame, limits)?.times.clone();
        let whole = start.elapsed();
        if i < WARM_UP {
            continue;
        }
        progress.step();
        // What decoding consists of stands below the whole.
        let parts = detector.parts().into_iter().map(|(name, time)| (format!("decode: {name}"), time));
        let whole = times.stages().iter().copied().chain([("whole frame", whole)]);
        let all = whole.map(|(name, time)| (name.to_owned(), time)).chain(parts);
        for (at, (name, time)) in all.enumerate() {
            match stages.get_mut(at) {
                Some(stage) => stage.times.push(time),
                None => stages.push(Stage { name, times: vec![time] }),
            }
        }
    }
    for stage in &mut stages {
        stage.times.sort_unstable();
    }
    ensure!(!stages.is_empty(), "expected frames to measure, found none");
    Ok(stages)
}

fn table(stages: &[Stage]) -> Table {
    let mut table = Table::new(&["stage", "median", "min", "max"]);
    for stage in stages {
        let cells = stage.figures().map(|ms| format!("{ms:.2}"));
        table.row(std::iter::once(stage.name.clone()).chain(cells).collect());
    }
    table
}

/// A line of JSON: what was measured, its times in milliseconds, and on what.
fn to_json(what: &str, args: &Args, detector: &Detector, stage: &Stage) -> Value {
    let [median, min, max] = stage.figures();
    let (width, height) = args.size;
    json!({
        "name": stage.name, "median_ms": median, "min_ms": min, "max_ms": max,
        "isa": simd::isa().name(), "threads": threads::pool().map_or(0, |pool| pool.current_num_threads()),
        "precision": detector.precision().name(), "device": device_name(&detector.place()),
        "what": what, "width": width, "height": height, "frames": args.frames,
    })
}

fn size(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let fits = parsed.filter(|(w, h)| (64..=8192).contains(w) && (64..=8192).contains(h));
    fits.ok_or_else(|| format!("expected WIDTHxHEIGHT from 64x64 to 8192x8192, found '{text}'"))
}
