//! A synthetic inspection station: a belt with parts, good and defective, and the truth about every pixel. It is
//! the input of the demo and of tests on machines that have no other.

mod defects;
mod line;
mod noise;
mod nv12;
mod parts;
mod scene;
mod surface;
mod write;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use snarm_core::synthetic::plane as geometry;

use crate::exit::Outcome;
use crate::output;
use defects::Defects;
use line::{Line, Run};
pub(crate) use nv12::Nv12;
use parts::PartKind;
use scene::Station;

/// Renders an inspection line: good parts to learn from, then good and defective ones, with ground truth.
///
/// The same options give the same pictures.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to write to
    #[arg(long, short)]
    out: PathBuf,
    /// What to write: a clip of good parts and one to inspect, or single images in the layout of MVTec AD
    #[arg(long = "as", value_enum, default_value_t = Form::Clip)]
    form: Form,
    /// What the line makes
    #[arg(long, value_enum, default_value_t = PartKind::Flange)]
    part: PartKind,
    /// What is wrong with defective parts
    #[arg(long, value_enum, default_value_t = Defects::Structural)]
    defects: Defects,
    /// Frames to inspect
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    frames: u32,
    /// Frames of good parts to learn from
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    good_frames: u32,
    /// Width in pixels
    #[arg(long, default_value_t = 640)]
    width: usize,
    /// Height in pixels
    #[arg(long, default_value_t = 480)]
    height: usize,
    /// Frames a second of the clips
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,
    /// Seed of every random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// good.mkv and line.mkv, with truth.jsonl and masks/ for the latter
    Clip,
    /// train/good, test/TYPE, ground_truth/TYPE
    Frames,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    for (name, side) in [("width", args.width), ("height", args.height)] {
        ensure!((64..=8192).contains(&side), "--{name}: expected 64 to 8192 pixels, found {side}");
    }
    let line = Line {
        width: args.width,
        height: args.height,
        part: args.part,
        seed: args.seed,
        // Three parts in two seconds.
        frames_per_piece: (args.fps as usize * 2 / 3).max(2),
        defects: args.defects,
    };
    ensure!(
        args.defects == Defects::Structural || args.form == Form::Frames,
        "--defects logical: expected --as frames, found a clip; on a moving belt a part lies in every place"
    );
    let station = Station::new(args.width, args.height, args.part);
    let (good, frames) = (args.good_frames as usize, args.frames as usize);
    std::fs::create_dir_all(&args.out)
        .map_err(|e| anyhow::anyhow!("cannot write to folder {}: {e}", args.out.display()))?;
    let anomalous = match args.form {
        Form::Clip => write::clips(&args.out, &line, &station, args.fps, good, frames)?,
        Form::Frames => write::images(&args.out, &line, &station, good, frames)?,
    };
    output::line(format!(
        "{}: {good} good frames to learn from, {frames} to inspect, {anomalous} of them with a defect",
        args.out.display()
    ))?;
    Ok(Outcome::Done)
}

/// `n` photographs of flanges for measurements: good ones, or ones to inspect.
pub(crate) fn pictures(width: usize, height: usize, n: usize, good: bool) -> Vec<Nv12> {
    let (part, defects) = (PartKind::Flange, Defects::Structural);
    let line = Line { width, height, part, seed: 0, frames_per_piece: 25, defects };
    let station = Station::new(width, height, part);
    let shot = |i: usize| match good {
        true => line.photograph(Run::Learn, i, None),
        false => line.photograph(Run::Inspect, i, defects.kinds().get(i).copied()),
    };
    (0..n).map(|i| Nv12::from_rgb(&station.expose(&shot(i)).rgb, width, height)).collect()
}
